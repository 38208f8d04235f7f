//! The exit codes of the commands.

/// The command succeeded.
pub const FINE: u8 = 0;
/// The command failed: the text says whether because of the configuration, Salesforce or the network.
pub const FAILED: u8 = 1;
/// The command line cannot be understood; nothing was done.
pub const USAGE: u8 = 2;
/// `connect` ended without a connection. Nothing was saved.
pub const NOT_CONNECTED: u8 = 3;
/// `call`: a response with a status of 400 to 499.
pub const CLIENT_ERROR: u8 = 4;
/// `call`: a response with a status of 500 or above.
pub const SERVER_ERROR: u8 = 5;
/// `connect` was interrupted by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
