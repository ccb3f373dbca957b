// The list of commands, and the way from words to an exit status.
#include "triton/Driver/Main.h"
#include "Command.h"
#include "triton/Driver/Version.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <unistd.h>

namespace triton::driver {

static constexpr CommandInfo commandTable[] = {
    {"compile", ".tri -> .tern", "compile F.tri [-o OUT.tern] [options]",
     "triton compile lenet.tri --weights lenet.safetensors --target x86-64-v3,aarch64 --timing", runCompile},
    {"check", "diagnose only", "check F.tri... [options]", "triton check net.tri --diagnostics=json", runCheck},
    {"test", "run a program's own tests", "test F.tri... [options]", "triton test net.tri", runTest},
    {"run", "one inference", "run M.tern|F.tri --input [NAME=]FILE... [--output FILE]",
     "triton run lenet.tern --input digit.npy --output logits.npy", runRun},
    {"bench", "latency and spread", "bench M.tern|F.tri [options]", "triton bench resnet.tern --threads 2 --json", runBench},
    {"profile", "time per layer, share of peak", "profile M.tern|F.tri [--input [NAME=]FILE...] [--html FILE] [options]",
     "triton profile resnet.tern --threads 2 --html report.html", runProfile},
    {"inspect", "what is in a file", "inspect M.tern|F.tri|W.safetensors|W.pth|W.npz [--json]", "triton inspect lenet.tern", runInspect},
    {"zoo", "list, show, download, eval", "zoo list|show NAME|download NAME...|verify [NAME...]|eval NAME|train NAME [options]",
     "triton zoo eval resnet20-fashion-mnist --threads 2 --json", runZoo},
    {"quantize", "weights to few bits", "quantize W.pth|W.safetensors|W.npz -o OUT.safetensors [--program F.tri [--calibrate X.npy|DIR]] [options]",
     "triton quantize resnet18.pth --program resnet18.tri --calibrate pictures -o resnet18.tern", runQuantize},
    {"export", "a PyTorch module", "export torch F.tri -o net.py [options]", "triton export torch resnet20.tri -o resnet20.py", runExport},
    {"fmt", "canonical formatting", "fmt F.tri... [--check]", "triton fmt net.tri", runFmt},
    {"cache", "stats, why, prune, share", "cache stats|why A.tern B.tern|prune|clear|verify|export FILE|import FILE [options]",
     "triton cache prune --cache-size 1G", runCache},
    {"doctor", "what this machine offers", "doctor [--json]", "triton doctor", runDoctor},
    {"completion", "shell completion", "completion bash|zsh|fish", "eval \"$(triton completion bash)\"", runCompletion},
};

std::span<const CommandInfo> allCommands() { return commandTable; }

// A crash is a fault of ours as well: say so, with the status that scripts know. Only async-signal-safe calls.
static void reportCrash(int) {
  static constexpr char text[] = "triton: error: internal error (crash); please report it with the command line and the input\n";
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  _exit(kInternal);
}

int main(std::span<const std::string> words) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) std::signal(signal, reportCrash);
#endif
  // A closed pipe (`triton ... | head`) ends the program like any other; a write error is not worth a stack trace.
  std::signal(SIGPIPE, SIG_DFL);
  if (words.size() == 1 && (words[0] == "--version" || words[0] == "-V")) {
    fmt::print("{}", versionText());
    return kDone;
  }
  if (words.empty() || (words.size() == 1 && (words[0] == "-h" || words[0] == "--help" || words[0] == "help"))) {
    fmt::print("{}", programHelp(commandTable));
    return words.empty() ? kUsage : kDone;
  }
  Result<Arguments> arguments = parseCommandLine(words, commandTable);
  if (!arguments) {
    Arguments none;
    if (std::find(words.begin(), words.end(), "--json") != words.end()) none.values[OptionId::Json] = {""};
    return fail(none, arguments.error());
  }
  auto command = std::find_if(std::begin(commandTable), std::end(commandTable),
                              [&](const CommandInfo &c) { return c.name == arguments->command; });
  if (command == std::end(commandTable))
    return fail(*arguments, Error{"no command given; 'triton -h' lists them", ErrorKind::Usage});
  if (arguments->has(OptionId::Help)) {
    fmt::print("{}", commandHelp(*command));
    return kDone;
  }
  return command->run(*arguments);
}

} // namespace triton::driver
