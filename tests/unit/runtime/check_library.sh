#!/bin/sh
# check_library.sh libtriton.so libtriton.a: what the library promises about itself. Each check prints what it found and fails alone.
set -u
shared=$1
static=$2
status=0
complain() { echo "$1"; status=1; }

size=$(stat -L -c %s "$shared")
[ "$size" -lt 1000000 ] || complain "the shared library has $size bytes, at least 1 MB"

foreign=$(nm -D --defined-only "$shared" | awk '{print $3}' | grep -v '^tri_')
[ -z "$foreign" ] || complain "exports other than tri_*: $foreign"

needed=$(readelf -d "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v -E '^(libc|libpthread|ld-linux-[a-z0-9-]+)\.so')
[ -z "$needed" ] || complain "needs more than libc: $needed"

# C++ library, exceptions and LLVM would show as undefined symbols of the objects.
undefined=$(nm -u "$static" 2>/dev/null | awk '{print $2}' | grep -E '^(_ZN4llvm|_ZN4mlir|_ZSt|_ZNSt|_ZNKSt|_Znw|_Zna|_ZdlPv|__cxa_|__gxx_|LLVM)')
[ -z "$undefined" ] || complain "uses the C++ library or LLVM: $undefined"

# Global constructors stand in .init_array of an object; the crt files that the linker adds to the shared library are not ours.
constructors=$(readelf -SW "$static" | grep -E '\.(init_array|ctors)')
[ -z "$constructors" ] || complain "has global constructors: $constructors"

exit $status
