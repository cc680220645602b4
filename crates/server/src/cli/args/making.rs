//! Arguments of the commands that write files for others: programs, completions, man pages.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::host_and_port;

/// `tandem snippet`.
#[derive(Args, Debug)]
pub struct SnippetArgs {
    /// Language and client library
    pub language: Language,
    /// Write the program and its build files into this directory, instead of printing the program
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The name server that the program connects to
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9876", value_parser = host_and_port)]
    pub nameserver: String,
}

/// Languages there are programs in, or might be.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// rocketmq-client
    Java,
    /// rocketmq-spring-boot-starter
    Spring,
    /// rocketmq-client-go
    Go,
    /// tandem-client
    Rust,
    /// Its official client is not supported yet
    Python,
    /// Its official client is not supported yet
    Node,
}

impl Language {
    /// As it stands on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Language::Java => "java",
            Language::Spring => "spring",
            Language::Go => "go",
            Language::Rust => "rust",
            Language::Python => "python",
            Language::Node => "node",
        }
    }
}

/// `tandem completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: ShellName,
}

/// Shells that completions are made for.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShellName {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// `tandem man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Directory for the pages, one for each command; without it, the page about tandem itself is printed
    pub dir: Option<PathBuf>,
    /// Print one page about all commands, in Markdown
    #[arg(long, conflicts_with = "dir")]
    pub markdown: bool,
}
