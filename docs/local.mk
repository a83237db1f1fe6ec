# docs
dist_doc_DATA += docs/ARCHITECTURE.md docs/SIDECAR.md docs/ADDING-A-LAYER.md CONTRIBUTING.md SECURITY.md CHANGELOG.md
dist_doc_DATA += docs/LAYERS.md
dist_check_SCRIPTS += tests/layers-doc.sh
TESTS += tests/layers-doc.sh
dist_man_MANS += docs/kerasd.8
