//! Shared by the tests, the benchmark and the soak test of the adapters: the emulator, HTTP clients that reach it,
//! and a gRPC server that accepts its tokens.

pub mod grpc;
pub mod web;
