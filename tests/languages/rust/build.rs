//! Generates the stubs of walden/v1 from WALDEN_PROTO_DIR; google.rpc is the crate tonic-types.

use std::{env, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protos = PathBuf::from(env::var("WALDEN_PROTO_DIR")?);
    let files: Vec<PathBuf> = ["common", "wal", "entry", "admin"]
        .iter()
        .map(|name| protos.join(format!("walden/v1/{name}.proto")))
        .collect();
    println!("cargo:rerun-if-env-changed=WALDEN_PROTO_DIR");
    tonic_prost_build::configure()
        .build_server(false)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_protos(&files, &[protos])?;
    Ok(())
}
