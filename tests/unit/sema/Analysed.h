// A program text with what the analysis made of it.
#pragma once

#include "triton/Parse/Parser.h"
#include "triton/Sema/Sema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace triton {

struct Analysed {
  SourceManager sources;
  DiagnosticEngine diags{sources};
  std::unique_ptr<ast::Program> tree;
  TypedModule module;

  explicit Analysed(std::string text, const SemaOptions &options = {}, std::string name = "test.tri") {
    FileId file = sources.addFile(std::move(name), std::move(text));
    tree = parseFile(sources, file, diags);
    module = analyse(*tree, sources, diags, options);
  }

  std::string messages() const {
    std::ostringstream out;
    diags.print(out);
    return out.str();
  }
  /// The codes of all errors, in order of place.
  std::vector<unsigned> errors() const {
    std::vector<unsigned> codes;
    for (auto &d : diags.sorted())
      if (d.severity == Severity::Error)
        codes.push_back(diagInfo(d.code).number);
    return codes;
  }
  const Graph &model(size_t i = 0) const {
    static const Graph none;
    EXPECT_LT(i, module.models.size()) << messages();
    return i < module.models.size() ? module.models[i] : none;
  }
  const GraphParam *param(const std::string &key) const {
    for (auto &p : model().params)
      if (p.key == key)
        return &p;
    return nullptr;
  }
};

inline std::vector<std::string> keys(const Graph &graph) {
  std::vector<std::string> out;
  for (auto &p : graph.params)
    out.push_back(p.key);
  return out;
}

inline std::vector<std::string> operations(const Graph &graph) {
  std::vector<std::string> out;
  for (auto &n : graph.nodes)
    out.push_back(opName(n.op));
  return out;
}

} // namespace triton
