/** The path of the program for this platform; throws if the package has none. */
export declare function binaryPath(): string
