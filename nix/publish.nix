{
  lib,
  rustPlatform,
  cmake,
}:
rustPlatform.buildRustPackage {
  pname = "publish";
  version = "0.1.0";
  src = lib.cleanSource ../.;
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [
    "--package"
    "publish"
  ];
  # The TLS library builds its C and assembly with it.
  nativeBuildInputs = [ cmake ];
  # The tests need a loopback network and qemu-img; they run in the project's own gate.
  doCheck = false;
  meta = {
    description = "Publishes one disk image to Azure and AWS";
    license = lib.licenses.asl20;
    mainProgram = "publish";
    platforms = lib.platforms.linux;
  };
}
