# The program, with what completes its command line, and its manual pages.
{
  lib,
  stdenv,
  rustPlatform,
  cmake,
  installShellFiles,
}:
let
  manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
in
rustPlatform.buildRustPackage {
  pname = "publish";
  inherit (manifest.workspace.package) version;
  # What is not compiled changes nothing.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.lock
      ../Cargo.toml
      ../crates
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [
    "--package"
    "publish"
  ];
  # The TLS library builds its C and assembly with it.
  nativeBuildInputs = [
    cmake
    installShellFiles
  ];
  # That is cmake's own way to build, and this is no project of cmake's.
  dontUseCmakeConfigure = true;
  # The tests need a loopback network and qemu-img; they run in the project's own gate.
  doCheck = false;

  # The program writes these itself, so it has to run where it is built.
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd publish \
      --bash <($out/bin/publish completions bash) \
      --fish <($out/bin/publish completions fish) \
      --zsh <($out/bin/publish completions zsh)
    $out/bin/publish man man
    installManPage man/*
  '';

  meta = {
    description = "Publishes one disk image to Azure and AWS";
    license = lib.licenses.asl20;
    mainProgram = "publish";
    platforms = lib.platforms.unix;
  };
}
