// What platform a library was built for, read off the library itself: a release must not carry a mistaken name.

/** `{ platform, arch, abi }` in Node's words, as `parseTriple` of napi says it; undefined for what is no library. */
export function platformOf(bytes) {
  return elf(bytes) ?? machO(bytes) ?? portableExecutable(bytes)
}

const ELF = 0x7f454c46
const ELF_MACHINES = { 62: 'x64', 183: 'arm64' }
const MACH_O_64 = 0xfeedfacf
const MACH_O_MACHINES = { 16777223: 'x64', 16777228: 'arm64' }
const PE_MACHINES = { 34404: 'x64', 43620: 'arm64' }

function elf(bytes) {
  if (bytes.length < 20 || bytes.readUInt32BE(0) !== ELF) return undefined
  const arch = ELF_MACHINES[bytes.readUInt16LE(18)]
  // The C library is among the names of what the dynamic linker has to find.
  const abi = bytes.includes('libc.so.6\0') ? 'gnu' : bytes.includes('libc.musl-') ? 'musl' : undefined
  return arch && abi && { platform: 'linux', arch, abi }
}

function machO(bytes) {
  if (bytes.length < 8 || bytes.readUInt32LE(0) !== MACH_O_64) return undefined
  const arch = MACH_O_MACHINES[bytes.readUInt32LE(4)]
  return arch && { platform: 'darwin', arch, abi: null }
}

function portableExecutable(bytes) {
  if (bytes.length < 64 || bytes.toString('latin1', 0, 2) !== 'MZ') return undefined
  const header = bytes.readUInt32LE(60)
  if (bytes.length < header + 6 || bytes.readUInt32BE(header) !== 0x50450000) return undefined
  const arch = PE_MACHINES[bytes.readUInt16LE(header + 4)]
  return arch && { platform: 'win32', arch, abi: 'msvc' }
}
