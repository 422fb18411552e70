//! Makes the folder of the admin page exist, so that the server also builds without it.

fn main() {
    let dist = std::path::Path::new("../admin/dist");
    if let Err(error) = std::fs::create_dir_all(dist) {
        println!("cargo::warning=cannot create {}: {error}", dist.display());
    }
    println!("cargo::rerun-if-changed=../admin/dist");
}
