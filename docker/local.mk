# docker: the image, and a script that builds and runs it for real
EXTRA_DIST += docker/Dockerfile docker/healthcheck docker/try-image.sh
