//! The members that are read, as a tree of names.

use super::super::FormatError;
use super::super::row::{PayloadColumn, Target};

/// Names in one path.
pub const PATH_DEPTH_MAX: usize = 16;

pub type NodeId = usize;

/// A member that some path leads to or through.
pub struct Node {
    /// Sorted by name.
    children: Vec<(Box<str>, NodeId)>,
    /// The column at the end of a path: its slot and type. Such a node has no children.
    pub leaf: Option<(usize, Target)>,
}

pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub const ROOT: NodeId = 0;

    /// Refuses a path that is empty, too long, given twice, or that runs through another column.
    pub fn new(columns: &[PayloadColumn]) -> Result<Tree, FormatError> {
        let mut tree = Tree { nodes: vec![Node { children: Vec::new(), leaf: None }] };
        for column in columns {
            let path = || column.path.join(".");
            if column.path.is_empty() || column.path.len() > PATH_DEPTH_MAX {
                return Err(FormatError::PathLength { path: path() });
            }
            let mut node = Tree::ROOT;
            for name in &column.path {
                if tree.nodes[node].leaf.is_some() {
                    return Err(FormatError::PathConflict { path: path() });
                }
                node = tree.child_or_insert(node, name);
            }
            if tree.nodes[node].leaf.is_some() || !tree.nodes[node].children.is_empty() {
                return Err(FormatError::PathConflict { path: path() });
            }
            tree.nodes[node].leaf = Some((column.slot, column.target));
        }
        Ok(tree)
    }

    fn child_or_insert(&mut self, node: NodeId, name: &str) -> NodeId {
        let id = self.nodes.len();
        let children = &mut self.nodes[node].children;
        match children.binary_search_by(|(child, _)| (**child).cmp(name)) {
            Ok(index) => children[index].1,
            Err(index) => {
                children.insert(index, (name.into(), id));
                self.nodes.push(Node { children: Vec::new(), leaf: None });
                id
            }
        }
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The member `name` of the object at `node`, if some path leads there. Case-sensitive, as in Spark.
    pub fn child(&self, node: NodeId, name: &str) -> Option<NodeId> {
        let children = &self.nodes[node].children;
        children.binary_search_by(|(child, _)| (**child).cmp(name)).ok().map(|index| children[index].1)
    }

    /// Calls `each` with the slot of every column under `node`.
    pub fn for_each_slot(&self, node: NodeId, each: &mut impl FnMut(usize)) {
        if let Some((slot, _)) = self.nodes[node].leaf {
            each(slot);
        }
        for (_, child) in &self.nodes[node].children {
            self.for_each_slot(*child, each);
        }
    }
}
