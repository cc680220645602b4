use foldhash::HashMap;

/// Names nobody uses that are kept all the same: most come back with the next half.
const UNUSED_MAX: usize = 256;

/// Names of groups, topics or clients, each stored once and known by a number while a half refers to it.
///
/// Numbers are volatile: they depend on the order in which names came, and are used again.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: HashMap<Box<str>, u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    unused: usize,
}

#[derive(Debug, Default)]
struct Entry {
    name: Box<str>,
    /// References, those of halves that are set aside included.
    refs: u32,
    set_aside: u32,
    /// Its place waits in `free` for another name.
    vacant: bool,
}

impl Names {
    /// The number of a name, one reference more.
    pub fn acquire(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            let entry = &mut self.entries[id as usize];
            self.unused -= usize::from(entry.refs == 0);
            entry.refs += 1;
            return id;
        }
        // Here and not when a reference goes: a half just decided can still be looked at, names and all.
        if self.unused > UNUSED_MAX {
            self.forget_unused();
        }
        let entry = Entry { name: name.into(), refs: 1, set_aside: 0, vacant: false };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("memory ends long before 2^32 names")
            }
        };
        self.ids.insert(name.into(), id);
        id
    }

    /// One reference less.
    pub fn release(&mut self, id: u32) {
        let entry = &mut self.entries[id as usize];
        entry.refs -= 1;
        self.unused += usize::from(entry.refs == 0);
    }

    /// One of the references became, or is no longer, that of a half that is set aside.
    pub fn count_set_aside(&mut self, id: u32, set_aside: bool) {
        let count = &mut self.entries[id as usize].set_aside;
        *count = if set_aside { *count + 1 } else { *count - 1 };
    }

    pub fn get(&self, id: u32) -> &str {
        &self.entries[id as usize].name
    }

    /// The number of a name that is referred to.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied().filter(|id| self.entries[*id as usize].refs > 0)
    }

    /// References to a name, and how many of them are set aside.
    pub fn refs(&self, id: u32) -> (u32, u32) {
        let entry = &self.entries[id as usize];
        (entry.refs, entry.set_aside)
    }

    /// The numbers of all names referred to, by name.
    pub fn sorted(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.entries.len() as u32).filter(|id| self.refs(*id).0 > 0).collect();
        ids.sort_unstable_by_key(|id| self.get(*id));
        ids
    }

    fn forget_unused(&mut self) {
        for (id, entry) in self.entries.iter_mut().enumerate() {
            if entry.refs == 0 && !entry.vacant {
                self.ids.remove(&entry.name);
                *entry = Entry { vacant: true, ..Entry::default() };
                self.free.push(id as u32);
            }
        }
        self.unused = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_while_it_is_referred_to() {
        let mut names = Names::default();
        let a = names.acquire("a");
        let b = names.acquire("b");
        assert_eq!(names.acquire("a"), a);
        names.count_set_aside(a, true);
        assert_eq!((names.get(a), names.refs(a), names.refs(b)), ("a", (2, 1), (1, 0)));
        assert_eq!((names.find("a"), names.find("c")), (Some(a), None));
        names.release(b);
        assert_eq!((names.find("b"), names.sorted()), (None, vec![a]));
    }

    #[test]
    fn names_of_clients_that_come_and_go_do_not_pile_up() {
        let mut names = Names::default();
        let kept = names.acquire("kept");
        for i in 0..100_000 {
            let id = names.acquire(&format!("10.0.0.1@{i}"));
            names.release(id);
        }
        assert!(names.entries.len() < 2 * UNUSED_MAX, "{} entries", names.entries.len());
        assert_eq!((names.get(kept), names.ids.len() < 2 * UNUSED_MAX), ("kept", true));
    }
}
