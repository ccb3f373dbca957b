// What a pickle may contain: every opcode and a list of globals, then mutations of good checkpoints.
#include "../../../compiler/lib/Tensor/Pickle.h"
#include "../Mutations.h"
#include "PthFiles.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::pth;

namespace {

std::string refusal(const std::string &bytes) {
  Result<pickle::Document> read = pickle::read(bytes, "p");
  return read ? "accepted" : read.error().message;
}

TEST(Pickle, EveryOpcodeOutsideTheListIsRefusedWhereItStands) {
  // Written down once more: what tensors need, by byte.
  const std::string allowed = "\x80.(N\x88\x89JKM\x8aGX\x8c)\x85\x86\x87t]ae}suqr\x94hjc\x93RbQ\x95";
  unsigned refused = 0, unknown = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    bool listed = allowed.find(static_cast<char>(byte)) != std::string::npos;
    EXPECT_EQ(pickle::isAllowed(static_cast<uint8_t>(byte)), listed) << byte;
    if (listed) continue;
    // With operands of every kind at hand, after a value, and as the first thing.
    for (const std::string &before : {std::string(), std::string("N"), std::string("(NNN"), std::string("ccollections\nOrderedDict\n)")}) {
      std::string message = refusal("\x80\x02" + before + static_cast<char>(byte) + std::string(16, '\n') + ".");
      EXPECT_NE(message.find("offset " + std::to_string(2 + before.size()) + ": "), std::string::npos) << byte << " " << message;
      EXPECT_TRUE(message.find("refuses the opcode ") != std::string::npos || message.find("is no opcode") != std::string::npos) << message;
    }
    ++(pickle::opcodeName(static_cast<uint8_t>(byte)).empty() ? unknown : refused);
  }
  EXPECT_EQ(allowed.size(), 35u);
  EXPECT_EQ(refused, 33u); // 68 opcodes in all
  EXPECT_EQ(unknown, 256u - 68u);
}

TEST(Pickle, EveryGlobalOutsideTheListIsRefusedByName) {
  const std::vector<std::string> storages = {"BoolStorage", "ByteStorage", "CharStorage", "ShortStorage", "IntStorage",
                                             "LongStorage", "HalfStorage", "BFloat16Storage", "FloatStorage", "DoubleStorage"};
  std::vector<std::pair<std::string, std::string>> allowed = {{"collections", "OrderedDict"}, {"torch", "Size"},
      {"torch._utils", "_rebuild_tensor"}, {"torch._utils", "_rebuild_tensor_v2"}, {"torch._utils", "_rebuild_parameter"}};
  for (const std::string &name : storages) allowed.emplace_back("torch", name);
  const std::vector<std::string> modules = {
      "os", "posix", "nt", "sys", "subprocess", "builtins", "__builtin__", "shutil", "runpy", "importlib", "pickle", "_pickle", "codecs",
      "_codecs", "functools", "operator", "types", "marshal", "socket", "ctypes", "collections", "copyreg", "copy_reg", "numpy",
      "numpy.core.multiarray", "numpy._core.multiarray", "torch", "torch._utils", "torch.storage", "torch.serialization", "torch.jit",
      "torch.nn.parameter", "torch.nn.modules.linear", "torch.distributed", "argparse", "pathlib", "", "torch._utils.", "Torch", "collections "};
  std::vector<std::string> names = {
      "system", "popen", "Popen", "call", "eval", "exec", "compile", "open", "__import__", "import_module", "getattr", "setattr", "loads",
      "load", "partial", "attrgetter", "itemgetter", "methodcaller", "reduce", "map", "apply", "CodeType", "FunctionType", "CDLL", "_reconstruct",
      "scalar", "encode", "Namespace", "PosixPath", "OrderedDict", "Size", "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter",
      "_rebuild_tensor_v3", "_rebuild_qtensor", "_rebuild_device_tensor_from_numpy", "_rebuild_tensor_v2.__globals__", "Tensor", "Parameter",
      "Linear", "UntypedStorage", "_load_from_bytes", "OrderedDict.fromkeys", "", "FloatStorage ", "floatstorage"};
  names.insert(names.end(), storages.begin(), storages.end());
  unsigned taken = 0, refused = 0;
  for (const std::string &module : modules)
    for (const std::string &name : names) {
      bool listed = std::find(allowed.begin(), allowed.end(), std::pair(module, name)) != allowed.end();
      std::string old = refusal("\x80\x02" + ("c" + module + "\n" + name + "\n."));
      std::string fresh = refusal("\x80\x04\x8c" + little(module.size(), 1) + module + "\x8c" + little(name.size(), 1) + name + "\x93.");
      for (const std::string &message : {old, fresh}) {
        if (listed) EXPECT_EQ(message, "accepted") << module << " " << name;
        else EXPECT_NE(message.find("refuses the global '" + module + "." + name + "'"), std::string::npos) << message;
      }
      ++(listed ? taken : refused);
    }
  EXPECT_EQ(taken, allowed.size());
  EXPECT_GT(refused, 2000u);
}

TEST(Pickle, CallsAreRefusedButForThoseThatDescribeTensors) {
  for (const auto &[what, bytes] : std::vector<std::pair<std::string, std::string>>{
           {"refuses to call a storage type", Pickle().global("torch", "FloatStorage").raw(")R").stop()},
           {"refuses OrderedDict with arguments", Pickle().global("collections", "OrderedDict").raw("N\x85R").stop()},
           {"refuses to call what is no known function", Pickle().raw("N)R").stop()},
           {"refuses to call what is no known function", Pickle().global("collections", "OrderedDict").raw("}R").stop()},
           {"a tensor has 0 arguments", Pickle().global("torch._utils", "_rebuild_tensor_v2").raw(")R").stop()},
           {"a tensor needs a storage", Pickle().global("torch._utils", "_rebuild_tensor_v2").raw("(NNNNNNtR").stop()},
           {"a parameter needs a tensor", Pickle().global("torch._utils", "_rebuild_parameter").raw("NNN\x87R").stop()},
           {"torch.Size needs a tuple", Pickle().global("torch", "Size").raw("N\x85R").stop()},
           {"a persistent id must be", Pickle().text("0").raw("Q").stop()},
           {"needs a dictionary", Pickle().raw("N}b").stop()},
           {"needs a dictionary", Pickle().raw("NNNs").stop()},
           {"needs a list", Pickle().raw("}Na").stop()},
           {"a key has no value", Pickle().raw("}(Nu").stop()},
           {"there is no mark", Pickle().raw("}u").stop()},
           {"the stack is empty", Pickle().raw("}(Ns").stop()},
           {"the stack is empty", Pickle().raw("\x87").stop()},
           {"the memo has no value 3", Pickle().raw("h\x03").stop()},
           {"the stack is empty", Pickle().raw("q\x01").stop()},
           {"ends with 2 values", Pickle().raw("NN").stop()},
           {"ends with 0 values", Pickle().stop()},
           {"ends with 1 values", Pickle().raw("N(").stop()},
           {"1 bytes after the end", Pickle().raw("N").stop() + "N"},
           {"an integer of 9 bytes", Pickle().raw("\x8a\x09" + std::string(9, '\1')).stop()},
           {"a text is not UTF-8", Pickle().text("\xff").stop()},
           {"the frame leaves the pickle", Pickle().raw("\x95" + little(99, 8)).stop()},
           {"PROTO stands at the beginning only", Pickle().raw("\x80\x02").stop()},
           {"protocol 6 is not supported", "\x80\x06N."},
           {"protocol 1 is not supported", "\x80\x01N."},
           {"not a pickle of protocol 2", "(lp0\n."},
           {"the pickle is cut off", "\x80\x02N"},
           {"the pickle is cut off", "\x80\x02X\xff\xff\xff\xff"}})
    EXPECT_NE(refusal(bytes).find(what), std::string::npos) << what << ": " << refusal(bytes);
}

TEST(Pickle, NumbersAreReadAsPythonWritesThem) {
  for (const auto &[bytes, expected] : std::vector<std::pair<std::string, int64_t>>{{"K\xff", 255}, {"M\x01\xff", 0xff01}, {"J\xfe\xff\xff\xff", -2},
           {std::string("\x8a\0", 2), 0}, {"\x8a\1\xff", -1}, {std::string("\x8a\2\xff\0", 4), 255}, {"\x8a\x08" + little(uint64_t(1) << 63, 8), INT64_MIN}}) {
    Result<pickle::Document> read = pickle::read("\x80\x02" + bytes + ".", "p");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ((*read)[read->root].integer, expected);
  }
  Result<pickle::Document> real = pickle::read(std::string("\x80\x02G\xbf\xe0\0\0\0\0\0\0.", 12), "p");
  ASSERT_TRUE(real);
  EXPECT_EQ((*real)[real->root].real, -0.5);
}

TEST(Pickle, SmallFilesCannotAskForMuch) {
  EXPECT_NE(refusal("\x80\x02" + std::string(5'000'000, 'N') + ".").find("more than 4194304 values"), std::string::npos);
  EXPECT_NE(refusal("\x80\x02" + std::string(5'000'000, '(') + ".").find("too many marks"), std::string::npos);
  EXPECT_NE(refusal("\x80\x04N" + std::string(5'000'000, '\x94') + ".").find("the memo is too large"), std::string::npos);
  std::string gets = "\x80\x02Nq\1";
  for (int i = 0; i < 5'000'000; ++i) gets += "h\1";
  EXPECT_NE(refusal(gets + ".").find("the stack is too deep"), std::string::npos);
  // A list that contains itself, and a dictionary that is its own value, are nothing to walk into.
  EXPECT_EQ(refusal("\x80\x02]q\1h\1a."), "accepted");
  EXPECT_NE(errorOf(checkpoint("\x80\x02}q\1X" + little(10, 4) + "state_dicth\1s.")).find("no tensors at the top"), std::string::npos);
}

TEST(Pickle, MutationsNeverCrashHangOrLeaveTheFile) {
  // Two kinds: a mutated pickle in an archive with right checksums, so that the machine is reached; and a mutated archive.
  std::string pickleBytes = Pickle().raw("}(").text("a").tensor("0", "FloatStorage", 12, 0, {3, 4}, {4, 1}).text("b")
                                .tensor("0", "FloatStorage", 12, 2, {2, 3}, {1, 4}).text("n").number(7).text("o")
                                .global("collections", "OrderedDict").raw(")R}bu").stop();
  std::vector<std::string> storages = {floats(std::vector<float>(12, 1.0f))};
  ASSERT_EQ(errorOf(checkpoint(pickleBytes, storages)), "accepted");
  tests::Fuzz fuzz(20000);
  while (fuzz.more()) {
    std::string bytes = fuzz.runs % 2 ? fuzz.mutated(checkpoint(pickleBytes, storages)) : checkpoint(fuzz.mutated(pickleBytes), storages);
    Result<Checkpoint> read = parse(bytes);
    if (!read) {
      ASSERT_FALSE(read.error().message.empty());
      continue;
    }
    ++fuzz.accepted;
    // Every byte that a tensor claims can be read (the sanitizers look on).
    uint64_t sum = 0;
    for (const SafetensorsFile::Entry &e : read->tensors.entries()) {
      ASSERT_EQ(static_cast<uint64_t>(*elementCount(e.shape)) * elementBytes(e.type), e.bytes.size());
      for (uint8_t byte : e.bytes) sum += byte;
    }
    ASSERT_LT(sum, uint64_t(1) << 40);
  }
  EXPECT_GT(fuzz.accepted, fuzz.runs / 200); // the mutations are not all nonsense
}

} // namespace
