"""Makes the throw-away environment of the peers: a virtual environment from PyPI, and on request llama.cpp's tensor library."""
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def python(options):
    return options.work / "venv" / "bin" / "python"


def install(options):
    if not python(options).exists():
        subprocess.run([sys.executable, "-m", "venv", str(options.work / "venv")], check=True)
    subprocess.run([str(python(options)), "-m", "pip", "install", "--quiet", "-r", str(HERE / "requirements.txt")], check=True)
    if options.ggml:
        install_ggml(options)


def install_ggml(options):
    folder = options.work / "ggml"
    if (folder / "bin" / "libggml-cpu.so").exists():
        return
    source = options.work / "ggml-source"
    source.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(python(options)), "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:",
                    "llama-cpp-python", "-d", str(source)], check=True)
    archive = next(source.glob("llama_cpp_python-*.tar.gz"))
    shutil.unpack_archive(archive, source, filter="data")
    tree = source / archive.name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"
    off = [f"-DLLAMA_BUILD_{part}=OFF" for part in ("COMMON", "TESTS", "TOOLS", "EXAMPLES", "SERVER")]
    subprocess.run(["cmake", "-S", str(tree), "-B", str(folder), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON",
                    "-DGGML_NATIVE=ON", "-DGGML_OPENMP=OFF", *off], check=True)
    subprocess.run(["cmake", "--build", str(folder), "--target", "ggml-cpu"], check=True)
    (folder / "bin" / "VERSION").write_text(archive.name.removesuffix(".tar.gz") + "\n", encoding="utf-8")
