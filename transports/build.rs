//! Compiles the protocol's definition, without a `protoc` on the machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/phaul.proto");
    let files = protox::compile(["proto/phaul.proto"], ["proto"])?;
    // `Bytes` instead of `Vec`: payloads are then slices of the frame, not copies of it.
    prost_build::Config::new().bytes(["."]).compile_fds(files)?;
    Ok(())
}
