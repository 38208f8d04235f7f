export declare class NativeTestClock { constructor(start?: number); advance(ms: number): void; setWall(to: number): void; now(): number }
export interface NativeOptions { loginUrl?: string }
export interface NativeLease { id: number; from: number; until: number; token?: NativeToken }
export interface NativeToken { accessToken: string; instanceUrl: string; scopes: string[]; tokenFormat: string; tokenType: string; expiry: {at: number; source: string; certainty: string}; fingerprint: string; authorization: string; extra: any }
export interface NativeError { code: string; kind: string; message: string; retryable: boolean }
export interface NativeVerified { orgId?: string; userId?: string; apiUsage?: {used: number; max: number}; loginHost: string }
export interface NativeOutcome { lease?: NativeLease; error?: NativeError; verified?: NativeVerified }
export interface NativeWait { id: number; outcome: Promise<NativeOutcome> }
export interface NativeStarted { lease?: NativeLease; wait?: NativeWait }
export interface NativeStatus { state: string; inFlight: boolean; expiry?: {at: number; source: string; certainty: string}; refreshAt?: number; fingerprint?: string; mints: number; failures: number; lastError?: NativeError; lastFailureAt?: number; coolingUntil?: number; loginHost: string }
export declare class NativeClient { start(known: number): NativeStarted; cached(known: number): NativeLease | null; invalidate(t: string): boolean; status(): NativeStatus; startVerify(): NativeWait; startIdle(): NativeWait; cancel(id: number): void; reset(): void; loginHost(): string }
export interface NativeOpened { client?: NativeClient; error?: NativeError }
export declare function open(options: NativeOptions, fromEnv: boolean, clock?: NativeTestClock): NativeOpened
export declare function version(): string
