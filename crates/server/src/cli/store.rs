//! `tandem store`.

use serde_json::json;

use super::args::StoreCommand;
use super::exit::Exit;
use super::json;
use super::model::StoreReport;
use super::run::{Doors, Failure, Screen, Variables, data_directory};
use super::table::{Table, number_of, span, write_fields};

/// Carries out `tandem store`. Exit code 1 says that damage was found and not mended.
pub fn run(
    command: StoreCommand,
    variables: Variables,
    doors: &mut dyn Doors,
    screen: &mut Screen<'_>,
) -> Result<Exit, Failure> {
    let (report, repairing, dry_run) = match command {
        StoreCommand::Verify(args) => (doors.verify_store(&data_directory(&args, variables)?)?, false, false),
        StoreCommand::Repair { store, dry_run } => {
            (doors.repair_store(&data_directory(&store, variables)?, dry_run)?, true, dry_run)
        }
    };
    let mended = repairing && !dry_run;
    if screen.json {
        let mut answer = json::of(&report);
        answer["ok"] = json!(report.damage.is_empty() || mended);
        answer["dry_run"] = json!(dry_run);
        json::write(screen.out, &answer)?;
    } else {
        show(&report, repairing, dry_run, screen)?;
    }
    Ok(if report.damage.is_empty() || mended { Exit::Ok } else { Exit::Failed })
}

fn show(report: &StoreReport, repairing: bool, dry_run: bool, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let out = &mut *screen.out;
    writeln!(out, "store {}", report.data)?;
    let torn_tail = report.torn_tail.as_ref().map_or(String::new(), |torn| {
        format!("{} at {}, never acknowledged; the next start cuts it off", torn.file, torn.offset)
    });
    write_fields(
        out,
        &[
            (
                "log",
                format!("from {} to {} in {}", report.log_start, report.log_end, number_of(report.segments, "segment")),
            ),
            (
                "read",
                format!("{} entries in {}", report.entries, span(i64::try_from(report.elapsed_ms).unwrap_or(i64::MAX))),
            ),
            ("torn tail", torn_tail),
        ],
    )?;
    if report.damage.is_empty() {
        writeln!(out, "nothing is damaged")?;
    } else {
        let mut table = Table::new(&["FILE", "#OFFSET", "DAMAGE"]);
        for damage in &report.damage {
            table.row(vec![(&damage.file).into(), damage.offset.into(), (&damage.what).into()]);
        }
        table.write(out, 2, screen.colours)?;
    }
    for repair in &report.repairs {
        writeln!(out, "{} {repair}", if dry_run { "would:" } else { "done:" })?;
    }
    if report.damage.is_empty() {
        return Ok(());
    }
    match (repairing, dry_run) {
        (false, _) => writeln!(
            out,
            "{}; copy the directory, then see what a repair would do: tandem store repair --data {} --dry-run",
            number_of(report.damage.len() as u64, "damaged place"),
            report.data
        )?,
        (true, true) => writeln!(out, "nothing was changed; without --dry-run it is done")?,
        (true, false) => writeln!(out, "repaired; `tandem serve` starts again")?,
    }
    Ok(())
}
