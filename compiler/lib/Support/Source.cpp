// Lines and columns of source text.
#include "triton/Support/Source.h"
#include "triton/Support/Utf8.h"

#include <algorithm>
#include <cassert>

namespace triton {

FileId SourceManager::addFile(std::string name, std::string text) {
  assert(text.size() < UINT32_MAX && "places are 32-bit offsets; the reader of files must refuse larger ones");
  auto file = std::make_unique<File>();
  file->name = std::move(name);
  file->text = std::move(text);
  const std::string &t = file->text;
  file->lineStarts.push_back(0);
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i] == '\r' && i + 1 < t.size() && t[i + 1] == '\n') continue; // the LF of CR LF ends the line
    if (t[i] == '\n' || t[i] == '\r') file->lineStarts.push_back(static_cast<uint32_t>(i + 1));
  }
  files.push_back(std::move(file));
  return static_cast<FileId>(files.size() - 1);
}

/// A byte-order mark at the start of the text takes no column.
static uint32_t afterByteOrderMark(std::string_view text) { return text.starts_with("\xEF\xBB\xBF") ? 3 : 0; }

LineColumn SourceManager::lineColumn(FileId id, uint32_t offset) const {
  const File &file = *files[id];
  offset = std::min<uint32_t>(offset, static_cast<uint32_t>(file.text.size()));
  auto next = std::upper_bound(file.lineStarts.begin(), file.lineStarts.end(), offset);
  LineColumn place;
  place.line = static_cast<uint32_t>(next - file.lineStarts.begin());
  uint32_t begin = *(next - 1);
  if (place.line == 1) begin = std::min(afterByteOrderMark(file.text), offset);
  // A byte that is not UTF-8 is one column.
  std::string_view text = std::string_view(file.text).substr(0, offset);
  for (size_t i = begin; i < offset; ++place.column) {
    size_t length = static_cast<unsigned char>(text[i]) < 0x80 ? 1 : utf8Length(text.substr(i));
    i += length == 0 ? 1 : length;
  }
  return place;
}

std::string_view SourceManager::line(FileId id, uint32_t line) const {
  const File &file = *files[id];
  if (line == 0 || line > file.lineStarts.size()) return {};
  std::string_view text = file.text;
  size_t begin = file.lineStarts[line - 1];
  if (line == 1) begin = afterByteOrderMark(text);
  size_t end = line < file.lineStarts.size() ? file.lineStarts[line] : text.size();
  while (end > begin && (text[end - 1] == '\n' || text[end - 1] == '\r')) --end;
  return text.substr(begin, end - begin);
}

} // namespace triton
