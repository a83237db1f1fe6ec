# docs
dist_doc_DATA += docs/ARCHITECTURE.md docs/SIDECAR.md
