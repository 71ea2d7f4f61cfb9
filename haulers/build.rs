//! Compiles the part of CRIU's messages that phaul uses, and phaul's own for files.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/criu.proto", "proto/files.proto"], ["proto"])?;
    prost_build::Config::new()
        .bytes([".files.Extent.data"])
        .compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
