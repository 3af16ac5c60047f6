// The file whose compilation makes the precompiled header; CMake wants one.
