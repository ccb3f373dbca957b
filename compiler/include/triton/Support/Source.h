// Source text and places in it. A SourceLoc is an offset into one file of a SourceManager; lines and columns are worked
// out when a message is printed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace triton {

/// Index of a file in its SourceManager.
using FileId = uint32_t;

/// A half-open byte range [begin, end) of one file. A default one means "no place".
struct SourceRange {
  FileId file = UINT32_MAX;
  uint32_t begin = 0;
  uint32_t end = 0;

  bool isValid() const { return file != UINT32_MAX; }
  friend bool operator==(const SourceRange &, const SourceRange &) = default;
};

/// Line and column, both from 1. Columns count code points and a tab is one column.
struct LineColumn {
  uint32_t line = 1;
  uint32_t column = 1;
};

/// Owns the text of every file of a compilation. Thread-compatible; text never moves once added.
class SourceManager {
public:
  /// Adds a file. `name` is what messages print. A leading byte-order mark stays in the text; the lexer skips it.
  FileId addFile(std::string name, std::string text);

  std::string_view name(FileId file) const { return files[file]->name; }
  std::string_view text(FileId file) const { return files[file]->text; }
  std::string_view text(SourceRange range) const {
    return text(range.file).substr(range.begin, range.end - range.begin);
  }
  size_t fileCount() const { return files.size(); }

  /// Line and column of a byte offset (clamped to the end of the text). LF, CR LF and CR end lines.
  LineColumn lineColumn(FileId file, uint32_t offset) const;
  /// The text of a line (from 1) without its line end.
  std::string_view line(FileId file, uint32_t line) const;

private:
  struct File {
    std::string name;
    std::string text;
    std::vector<uint32_t> lineStarts;
  };
  std::vector<std::unique_ptr<File>> files;
};

} // namespace triton
