//! Shell completions, man pages, and the page of all commands: made from the command line's own definition.

use std::fmt::Write as _;
use std::fs;

use clap::{ArgAction, CommandFactory};
use serde_json::json;

use super::args::{Cli, ManArgs, ShellName};
use super::exit::Exit;
use super::json;
use super::run::{Failure, Screen};

/// Carries out `tandem completions`.
pub fn completions(shell: ShellName, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let shell = match shell {
        ShellName::Bash => clap_complete::Shell::Bash,
        ShellName::Zsh => clap_complete::Shell::Zsh,
        ShellName::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tandem", &mut script);
    screen.out.write_all(&script)?;
    Ok(Exit::Ok)
}

/// Carries out `tandem man`.
pub fn man(args: &ManArgs, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    if args.markdown {
        write!(screen.out, "{}", markdown())?;
        return Ok(Exit::Ok);
    }
    let Some(dir) = &args.dir else {
        clap_mangen::Man::new(Cli::command()).render(&mut screen.out)?;
        return Ok(Exit::Ok);
    };
    let failed = |error| Failure::Verdict(format!("cannot write man pages to {}: {error}", dir.display()));
    fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), dir).map_err(failed)?;
    if screen.json {
        json::write(screen.out, &json!({ "written": dir.display().to_string() }))?;
    } else {
        writeln!(screen.out, "written to {}; read one: man -l {0}/tandem.1", dir.display())?;
    }
    Ok(Exit::Ok)
}

/// All commands on one page: docs/cli.md.
pub fn markdown() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = String::from("# The command line\n\n");
    let about = root.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(
        page,
        "{about}\n\nThis page is made from the program: `tandem man --markdown > docs/cli.md`. Every command has the same \
         with `--help`,\nand `tandem completions` and `tandem man` make shell completions and man pages of it.\n"
    );
    let _ =
        writeln!(page, "```\n{}\n```\n", root.get_after_help().map(ToString::to_string).unwrap_or_default().trim_end());
    let _ = writeln!(page, "For every command:\n");
    options(&mut page, &root, |arg| arg.is_global_set());
    for command in root.get_subcommands().filter(|command| is_shown(command)) {
        section(&mut page, command, &format!("tandem {}", command.get_name()), 2);
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// Help goes without saying, and what is hidden is for the program itself.
fn is_shown(command: &clap::Command) -> bool {
    command.get_name() != "help" && !command.is_hide_set()
}

fn section(page: &mut String, command: &clap::Command, path: &str, level: usize) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    // A String takes everything that is written to it.
    let _ = writeln!(page, "{} {path}\n\n{about}.\n", "#".repeat(level));
    let mut usage = format!("tandem{}", path.trim_start_matches("tandem"));
    for arg in command.get_positionals() {
        let name = arg.get_id().as_str().to_uppercase();
        let _ = write!(usage, "{}", if arg.is_required_set() { format!(" {name}") } else { format!(" [{name}]") });
    }
    let has_options = command.get_arguments().any(|arg| !arg.is_positional() && shown(arg));
    if has_options {
        usage.push_str(" [OPTIONS]");
    }
    if command.has_subcommands() {
        usage.push_str(if command.is_subcommand_required_set() { " COMMAND" } else { " [COMMAND]" });
    }
    let _ = writeln!(page, "```\n{usage}\n```\n");
    options(page, command, |_| true);
    if let Some(help) = command.get_after_help() {
        let _ = writeln!(page, "```\n{}\n```\n", help.to_string().trim_end());
    }
    for sub in command.get_subcommands().filter(|sub| is_shown(sub)) {
        section(page, sub, &format!("{path} {}", sub.get_name()), level + 1);
    }
}

/// Global options stand at the top of the page, and help goes without saying.
fn shown(arg: &clap::Arg) -> bool {
    !arg.is_global_set()
        && !arg.is_hide_set()
        && !matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::Version | ArgAction::HelpShort | ArgAction::HelpLong
        )
}

fn options(page: &mut String, command: &clap::Command, which: impl Fn(&clap::Arg) -> bool) {
    let global_wanted = command.get_name() == "tandem";
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|arg| which(arg) && (shown(arg) || global_wanted && arg.is_global_set()))
        .collect();
    if arguments.is_empty() {
        return;
    }
    let _ = writeln!(page, "| option | what |\n|---|---|");
    for arg in arguments {
        let name = match arg.get_long() {
            Some(long) => {
                let value = arg.get_value_names().filter(|_| arg.get_action().takes_values());
                let value = value.map(|names| names.iter().map(|name| format!(" {name}")).collect::<String>());
                format!("--{long}{}", value.unwrap_or_default())
            }
            None => arg.get_id().as_str().to_uppercase(),
        };
        let mut what = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() && arg.get_action().takes_values() {
            let _ = write!(what, " (default: {})", defaults.join(" "));
        }
        let values = arg.get_possible_values();
        let values: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name()).collect();
        if !values.is_empty() && arg.get_action().takes_values() {
            let _ = write!(what, " (one of: {})", values.join(", "));
        }
        if let Some(variable) = arg.get_env() {
            let _ = write!(what, " (variable: {})", variable.to_string_lossy());
        }
        let _ = writeln!(page, "| `{name}` | {} |", what.replace('|', "\\|"));
    }
    let _ = writeln!(page);
}
