/** Where the program for this platform is; throws when the package holds none. */
export declare function binaryPath(): string
