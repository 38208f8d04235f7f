//! Every adapter with the real library against the emulator.

mod adapters;
mod cases;
mod grpc;
mod threads;
