//! The exit codes of the commands.

/// The command succeeded.
pub const FINE: u8 = 0;
/// The command failed: the text says whether because of the configuration, Salesforce or the network.
pub const FAILED: u8 = 1;
/// The command line cannot be understood; nothing was done.
pub const USAGE: u8 = 2;
