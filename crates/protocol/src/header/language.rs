use crate::words::words;

words! {
    /// What a peer is written in, as far as it tells.
    pub enum Language {
        /// What we say in answers: old Java clients know few other names.
        Java = 0 "JAVA",
        /// The C++ client and what wraps it, Python among them.
        Cpp = 1 "CPP",
        /// .NET.
        Dotnet = 2 "DOTNET",
        /// Python.
        Python = 3 "PYTHON",
        /// Delphi.
        Delphi = 4 "DELPHI",
        /// Erlang.
        Erlang = 5 "ERLANG",
        /// Ruby.
        Ruby = 6 "RUBY",
        /// Anything not listed, and what an unknown name is read as.
        Other = 7 "OTHER",
        /// An HTTP gateway.
        Http = 8 "HTTP",
        /// Go.
        Go = 9 "GO",
        /// PHP.
        Php = 10 "PHP",
        /// OpenMessaging.
        Oms = 11 "OMS",
        /// Rust.
        Rust = 12 "RUST",
        /// Node.js.
        NodeJs = 13 "NODE_JS",
    }
}
