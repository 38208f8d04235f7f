import { parentPort, workerData } from 'node:worker_threads'
import { Client } from 'forcegrant'

const { accessToken } = await new Client(workerData).token()
parentPort.postMessage(accessToken.length)
