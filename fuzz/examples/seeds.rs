//! Writes what each target starts from into `corpus/TARGET`, where libFuzzer looks for it.

use std::io;
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in fuzz::TARGETS {
        let directory = corpus.join(target.name);
        std::fs::create_dir_all(&directory)?;
        let seeds = (target.seeds)();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(directory.join(format!("recorded-{number:04}")), seed)?;
        }
        println!("{:<14} {:>4} seeds", target.name, seeds.len());
    }
    Ok(())
}
