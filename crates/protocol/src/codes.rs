//! What is asked, and how it went: the numbers in the `code` of a header.

mod request;
mod response;

pub use request::RequestCode;
pub use response::ResponseCode;
