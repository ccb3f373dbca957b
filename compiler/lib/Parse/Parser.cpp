// The way from text to AST: scan, check the structure, parse, build.
#include "triton/Parse/Parser.h"

#include "AstBuilder.h"
#include "Errors.h"
#include "Scanner.h"
#include "Structure.h"
#include "TokenStream.h"
#include "TritonParser.h"

namespace triton {

using grammar::TritonParser;
using namespace parse;

/// Parses with the fast prediction and without recovery first; a program with an error is parsed again, with full prediction
/// and messages.
static TritonParser::ProgramContext *parseTokens(TritonParser &parser, ScannedTokenStream &stream, const SourceManager &sources,
                                                 FileId file, DiagnosticEngine &diags) {
  parser.removeErrorListeners();
  auto *simulator = parser.getInterpreter<antlr4::atn::ParserATNSimulator>();
  simulator->setPredictionMode(antlr4::atn::PredictionMode::SLL);
  parser.setErrorHandler(std::make_shared<antlr4::BailErrorStrategy>());
  try {
    return parser.program();
  } catch (const antlr4::ParseCancellationException &) {
    stream.seek(0);
    parser.reset();
  }
  simulator->setPredictionMode(antlr4::atn::PredictionMode::LL);
  parser.setErrorHandler(std::make_shared<ErrorStrategy>(stream, sources, file, diags));
  try {
    return parser.program();
  } catch (const antlr4::ParseCancellationException &) {
    return nullptr; // more errors than anyone reads
  }
}

std::unique_ptr<ast::Program> parseFile(const SourceManager &sources, FileId file, DiagnosticEngine &diags) {
  auto program = std::make_unique<ast::Program>();
  program->file = file;
  size_t errorsBefore = diags.errorCount();
  ScannedFile scanned = scan(sources, file, diags);
  if (!scanned.gaveUp && structure(scanned, file, diags)) {
    try {
      ScannedTokenStream stream(scanned.tokens, sources.text(file));
      TritonParser parser(&stream);
      if (auto *tree = parseTokens(parser, stream, sources, file, diags))
        buildAst(*tree, scanned, sources, diags, *program);
    } catch (const antlr4::RuntimeException &e) {
      // Not a fault of the program, but it must neither pass for accepted nor leave this library.
      auto end = static_cast<uint32_t>(sources.text(file).size());
      diags.report(Diag::Unexpected, {file, 0, end}, {std::string("fault of the parser: ") + e.what()});
    }
  }
  program->hadErrors = diags.errorCount() != errorsBefore;
  return program;
}

} // namespace triton
