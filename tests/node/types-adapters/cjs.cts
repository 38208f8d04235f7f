// The same as a CommonJS module sees them.
import axios = require('axios')

import { Client } from 'forcegrant'
import { attach } from 'forcegrant/axios'
import { interceptor } from 'forcegrant/grpc'
import { connect } from 'forcegrant/jsforce'
import { forcegrant } from 'forcegrant/undici'
import { Agent } from 'undici'

const sf = Client.fromEnv()
attach(axios.create(), sf)
export const dispatcher = new Agent().compose(forcegrant(sf))
export const connection = connect(sf)
export const options = { interceptors: [interceptor(sf)] }
