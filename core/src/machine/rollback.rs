//! In which order what a run made is taken away again: the newest first, each once.

use crate::resource::Resource;

/// What is left to undo, from what was made and what is gone already, in the order of undoing.
pub fn order(made: &[Resource], gone: &[Resource]) -> Vec<Resource> {
    let mut left: Vec<Resource> = Vec::new();
    for resource in made.iter().rev() {
        if !gone.contains(resource) && !left.contains(resource) {
            left.push(resource.clone());
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Resource {
        Resource::File { path: path.into() }
    }

    #[test]
    fn the_newest_goes_first_and_nothing_goes_twice() {
        let made = [file("a"), file("b"), file("c"), file("b")];
        assert_eq!(order(&made, &[]), [file("b"), file("c"), file("a")]);
        assert_eq!(order(&made, &[file("b")]), [file("c"), file("a")]);
        assert_eq!(order(&made, &made), []);
        assert_eq!(order(&[], &made), []);
    }
}
