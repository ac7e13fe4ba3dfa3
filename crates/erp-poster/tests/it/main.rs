//! Work against a database; what is done with it is tested where it is done.

#![cfg(test)]

mod work;
