//! Compiles the part of CRIU's messages that phaul uses.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/criu.proto"], ["proto"])?;
    prost_build::Config::new().compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto/criu.proto");
    Ok(())
}
