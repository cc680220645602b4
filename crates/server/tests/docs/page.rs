//! A page of the documentation: its prose and its fenced blocks.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of Markdown.
pub struct Page {
    /// Where it lies, from the root of the repository on.
    pub path: PathBuf,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
    /// What is not in a block: number of the line, and the line.
    pub prose: Vec<(usize, String)>,
}

/// What stands between two fences.
pub struct Block {
    /// The page and the line of its first fence, to be found again.
    pub place: String,
    /// The language: the first word behind the fence, if there is one.
    pub language: String,
    /// The other words behind the fence.
    pub words: Vec<String>,
    /// The lines.
    pub lines: Vec<String>,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the repository.
pub fn read(path: &Path) -> String {
    let whole = root().join(path);
    fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Both READMEs and all pages of the guide.
pub fn all() -> Vec<Page> {
    let mut paths = vec![PathBuf::from("README.md"), PathBuf::from("README.zh-CN.md")];
    find(Path::new("docs/guide"), &mut paths);
    assert!(paths.len() > 10, "the guide is not where it was: {paths:?}");
    paths.sort();
    paths.iter().map(|path| page(path)).collect()
}

/// Those whose commands are run: all but the Chinese README, which has to have the same as the English one.
pub fn to_run() -> Vec<Page> {
    all().into_iter().filter(|page| page.path != Path::new("README.zh-CN.md")).collect()
}

/// All other pages. Their links, settings and command lines are held to the program, their blocks are not run.
///
/// `docs/cli.md` is not among them: it is made from the program, and compared with it by the unit tests of `cli`, which
/// parse its examples, too.
pub fn others() -> Vec<Page> {
    let mut paths =
        ["ARCHITECTURE.md", "CHANGELOG.md", "interop/README.md", "crates/client/README.md"].map(PathBuf::from).to_vec();
    find(Path::new("docs"), &mut paths);
    paths.retain(|path| !path.starts_with("docs/guide") && path != Path::new("docs/cli.md"));
    paths.sort();
    paths.iter().map(|path| page(path)).collect()
}

fn find(directory: &Path, into: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(root().join(directory)).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in entries {
        let entry = entry.expect("an entry of a directory");
        let path = directory.join(entry.file_name());
        if entry.file_type().expect("its kind").is_dir() {
            find(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.push(path);
        }
    }
}

/// Reads one.
pub fn page(path: &Path) -> Page {
    let text = read(path);
    let (mut blocks, mut prose) = (Vec::new(), Vec::new());
    let mut open: Option<(Block, usize)> = None;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        match (&mut open, bare.strip_prefix("```")) {
            (None, Some(info)) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let place = format!("{}:{number}", path.display());
                let language = words.next().unwrap_or_default();
                open = Some((Block { place, language, words: words.collect(), lines: Vec::new() }, indent));
            }
            (None, None) => prose.push((number, line.to_owned())),
            (Some(_), Some("")) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), _) => {
                let cut = (*indent).min(line.len() - bare.len());
                block.lines.push(line[cut..].to_owned());
            }
        }
    }
    assert!(open.is_none(), "{}: the last fence is not closed", path.display());
    Page { path: path.to_owned(), blocks, prose }
}

/// Words in backticks of a line.
pub fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}
