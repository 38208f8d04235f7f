//! What the tests, the bench and the soak of the adapters share: the emulator, HTTP clients that
//! reach it, and a gRPC server that takes its tokens.

pub mod grpc;
pub mod web;
