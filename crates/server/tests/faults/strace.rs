//! Faults of the disk, made by `strace`: system calls of the real binary fail as we say.

use std::path::Path;
use std::process::Command;

/// Words before the binary's that make its system calls fail.
///
/// `rules` are what strace's `-e inject=` takes, such as `pwrite64:error=EIO:when=7`; calls are counted in each thread on
/// its own. With `paths`, only calls on these files count. The calls that were made are written to `trace`.
///
/// # Panics
/// When there is no strace: a test of faults that makes none proves nothing.
pub fn injecting(rules: &[String], paths: &[&Path], trace: &Path) -> Vec<String> {
    let found = Command::new("strace").arg("--version").output();
    assert!(found.is_ok(), "`strace` is needed for the tests of faults: install the package strace");
    // The tracer is the grandchild, so that the process id is the broker's.
    let mut words: Vec<String> = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o"].map(str::to_owned).into();
    words.push(trace.display().to_string());
    for path in paths {
        words.extend(["-P".to_owned(), path.display().to_string()]);
    }
    let calls: Vec<&str> = rules.iter().filter_map(|rule| rule.split(':').next()).collect();
    words.extend(["-e".to_owned(), format!("trace={}", calls.join(","))]);
    for rule in rules {
        words.extend(["-e".to_owned(), format!("inject={rule}")]);
    }
    words
}

/// The calls of a finished run that were made to fail, as strace writes them.
pub fn injected(trace: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(trace).expect("strace has written what it saw");
    text.lines().filter(|line| line.ends_with("(INJECTED)")).map(str::to_owned).collect()
}
