//! Removing containers through the runtime that made them.

use phaul_core::failure::Failure;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// How long a runtime may take.
const WITHIN: Duration = Duration::from_secs(60);

/// What runtimes say of a container that they do not have.
const MISSING: [&str; 2] = ["does not exist", "No such file or directory"];

/// Removes a container with its tasks; one that the runtime does not know counts as removed.
pub(super) async fn remove(runtime: &str, root: Option<&Path>, id: &str) -> Result<(), Failure> {
    let stuck = |cause: String| {
        Failure::lost(
            "resource-stuck",
            format!("the {runtime} container {id} cannot be removed: {cause}"),
        )
    };
    let mut command = Command::new(runtime);
    if let Some(root) = root {
        command.arg("--root").arg(root);
    }
    let output = command
        .args(["delete", "--force", id])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Output { status, stderr, .. } = tokio::time::timeout(WITHIN, output)
        .await
        .map_err(|_| stuck(format!("it still tried after {} s", WITHIN.as_secs())))?
        .map_err(|error| stuck(error.to_string()))?;
    let said = String::from_utf8_lossy(&stderr);
    if status.success() || MISSING.iter().any(|words| said.contains(words)) {
        return Ok(());
    }
    let lines = said.lines().map(str::to_owned).collect();
    Err(stuck(status.to_string()).log(lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A runtime that notes its arguments, says something and exits so.
    async fn removed(says: &str, code: u8, root: Option<&Path>) -> (Result<(), Failure>, String) {
        let dir = tempfile::tempdir().unwrap();
        let (runtime, noted) = (dir.path().join("runtime"), dir.path().join("noted"));
        let script = format!(
            "#!/bin/sh\necho \"$@\" > {}\necho '{says}' >&2\nexit {code}\n",
            noted.display()
        );
        fs::write(&runtime, script).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).unwrap();
        let result = remove(runtime.to_str().unwrap(), root, "web").await;
        (result, fs::read_to_string(&noted).unwrap_or_default())
    }

    #[tokio::test]
    async fn the_runtime_is_told_and_believed() {
        let (result, arguments) = removed("", 0, None).await;
        assert_eq!((result, arguments.trim()), (Ok(()), "delete --force web"));
        let (result, arguments) = removed("", 0, Some(Path::new("/run/x"))).await;
        let expected = "--root /run/x delete --force web";
        assert_eq!((result, arguments.trim()), (Ok(()), expected));
        let (result, _) = removed("container \"web\" does not exist", 1, None).await;
        assert_eq!(result, Ok(()));
        let (result, _) = removed("device is busy", 1, None).await;
        let failure = result.unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.log.len()),
            ("resource-stuck", 1)
        );
    }
}
