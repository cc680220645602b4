//! `tandem snippet`: complete programs with the clients people use. The interop suite builds and runs each of them.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::json;

use super::args::{Language, SnippetArgs};
use super::exit::Exit;
use super::json;
use super::run::{Failure, Screen};

/// The address that the programs have as they lie here: they run as they are.
const WRITTEN_ADDRESS: &str = "127.0.0.1:9876";

/// One file of a program.
struct File {
    path: &'static str,
    text: &'static str,
}

/// A program that a person can build and run.
struct Program {
    /// Its files, the source first.
    files: &'static [File],
    /// How it is run, in its directory.
    command: &'static str,
}

/// The program in a language; `None` where no client library speaks this protocol.
fn program(language: Language) -> Option<Program> {
    Some(match language {
        Language::Java => Program {
            files: &[
                File { path: "src/main/java/Main.java", text: include_str!("snippets/java/Main.java") },
                File { path: "pom.xml", text: include_str!("snippets/java/pom.xml") },
            ],
            command: "mvn -q compile exec:java",
        },
        Language::Spring => Program {
            files: &[
                File { path: "src/main/java/example/Orders.java", text: include_str!("snippets/spring/Orders.java") },
                File {
                    path: "src/main/resources/application.properties",
                    text: include_str!("snippets/spring/application.properties"),
                },
                File { path: "pom.xml", text: include_str!("snippets/spring/pom.xml") },
            ],
            command: "mvn -q spring-boot:run",
        },
        Language::Go => Program {
            files: &[
                File { path: "main.go", text: include_str!("snippets/go/main.go") },
                File { path: "go.mod", text: include_str!("snippets/go/go.mod") },
                File { path: "go.sum", text: include_str!("snippets/go/go.sum") },
            ],
            command: "go run .",
        },
        Language::Rust => Program {
            files: &[
                File { path: "src/main.rs", text: include_str!("snippets/rust/main.rs") },
                File { path: "Cargo.toml", text: include_str!("snippets/rust/Cargo.toml.txt") },
            ],
            command: "cargo run",
        },
        Language::Python | Language::Node => return None,
    })
}

/// Carries out `tandem snippet`.
pub fn run(args: &SnippetArgs, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let Some(Program { files, command }) = program(args.language) else {
        return Err(Failure::Verdict(format!(
            "the official client for {} speaks gRPC, which Tandem does not speak yet, so there is no program that would \
             work; what works today: tandem snippet java, spring, go or rust",
            args.language.word()
        )));
    };
    // Where a program names the broker, it says it just so.
    let text = |file: &File| file.text.replace(WRITTEN_ADDRESS, &args.nameserver);
    if let Some(dir) = &args.dir {
        write_all(dir, files, text)?;
        if screen.json {
            let written: Vec<_> = files.iter().map(|file| dir.join(file.path).display().to_string()).collect();
            json::write(screen.out, &json!({ "written": written, "command": command }))?;
        } else {
            writeln!(screen.out, "written to {}; run it: cd {0} && {command}", dir.display())?;
        }
        return Ok(Exit::Ok);
    }
    if screen.json {
        let files: Vec<_> = files.iter().map(|file| json!({ "path": file.path, "text": text(file) })).collect();
        json::write(screen.out, &json!({ "files": files, "command": command }))?;
    } else {
        write!(screen.out, "{}", text(&files[0]))?;
    }
    Ok(Exit::Ok)
}

/// Writes all files, or none where one of them is there already.
fn write_all(dir: &Path, files: &[File], text: impl Fn(&File) -> String) -> Result<(), Failure> {
    if let Some(there) = files.iter().map(|file| dir.join(file.path)).find(|path| path.exists()) {
        let there = there.display();
        return Err(Failure::Verdict(format!("{there} is there already and is left as it is; name a new directory")));
    }
    for file in files {
        let path = dir.join(file.path);
        let parent = path.parent().expect("a file is in a directory");
        let written = fs::create_dir_all(parent)
            .and_then(|()| fs::OpenOptions::new().write(true).create_new(true).open(&path))
            .and_then(|mut opened| std::io::Write::write_all(&mut opened, text(file).as_bytes()));
        written.map_err(|error| {
            let again = if error.kind() == ErrorKind::AlreadyExists { ": name a new directory" } else { "" };
            Failure::Verdict(format!("cannot write {}: {error}{again}", path.display()))
        })?;
    }
    Ok(())
}
