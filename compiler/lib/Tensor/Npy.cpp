// The .npy header is a Python dictionary in a fixed small form; it is parsed by hand, nothing is evaluated.
#include "triton/Tensor/Npy.h"
#include "triton/Tensor/Files.h"

#include <algorithm>
#include <array>

namespace triton {

static constexpr std::string_view npyMagic("\x93NUMPY", 6);
static constexpr size_t maxHeaderBytes = 1 << 20;
static constexpr size_t maxNpyRank = 32;

struct DescrRow {
  char kind;
  size_t bytes;
  ElementType type;
};
static constexpr std::array<DescrRow, 12> descrTable = {{{'b', 1, ElementType::Bool}, {'u', 1, ElementType::U8},
                                                         {'i', 1, ElementType::I8}, {'u', 2, ElementType::U16},
                                                         {'i', 2, ElementType::I16}, {'u', 4, ElementType::U32},
                                                         {'i', 4, ElementType::I32}, {'u', 8, ElementType::U64},
                                                         {'i', 8, ElementType::I64}, {'f', 2, ElementType::F16},
                                                         {'f', 4, ElementType::F32}, {'f', 8, ElementType::F64}}};

namespace {

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order.
class HeaderParser {
public:
  HeaderParser(std::string_view text, size_t base) : text(text), base(base) {}

  std::string descr;
  bool fortran = false;
  TensorShape shape;
  std::string message; ///< Empty if all went well.
  size_t errorOffset() const { return base + at; }

  bool parse() {
    if (!expect('{')) return false;
    bool seen[3] = {};
    while (true) {
      skipSpace();
      if (peek() == '}') {
        ++at;
        break;
      }
      std::string key;
      size_t keyAt = at;
      if (!string(key) || !expect(':')) return false;
      int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (which < 0 || seen[which]) {
        at = keyAt;
        return fail(which < 0 ? "unknown key '" + key + "' in the header" : "the key '" + key + "' is given twice");
      }
      seen[which] = true;
      skipSpace();
      if (which == 0 && peek() == '[') return fail("structured arrays are not supported");
      if (!(which == 0 ? string(descr) : which == 1 ? boolean() : tuple())) return false;
      skipSpace();
      if (peek() == ',') {
        ++at;
      } else if (peek() != '}') {
        return fail("expected ',' or '}' in the header");
      }
    }
    skipSpace();
    if (at != text.size()) return fail("text after the header's '}'");
    if (!seen[0] || !seen[1] || !seen[2]) return fail("the header needs 'descr', 'fortran_order' and 'shape'");
    return true;
  }

private:
  std::string_view text;
  size_t base, at = 0;

  char peek() const { return at < text.size() ? text[at] : '\0'; }
  void skipSpace() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t') ++at;
  }
  bool fail(std::string what) {
    message = std::move(what);
    return false;
  }
  bool expect(char c) {
    skipSpace();
    if (peek() != c) return fail(std::string("expected '") + c + "' in the header");
    ++at;
    return true;
  }
  bool string(std::string &out) {
    char quote = peek();
    if (quote != '\'' && quote != '"') return fail("expected a string in the header");
    size_t end = text.find(quote, at + 1);
    if (end == std::string_view::npos || end - at > 64) return fail("a string in the header is not closed");
    out = text.substr(at + 1, end - at - 1);
    at = end + 1;
    return true;
  }
  bool boolean() {
    if (text.substr(at, 4) == "True") {
      fortran = true;
      at += 4;
      return true;
    }
    if (text.substr(at, 5) == "False") {
      at += 5;
      return true;
    }
    return fail("expected True or False in the header");
  }
  bool tuple() {
    if (!expect('(')) return false;
    while (true) {
      skipSpace();
      if (peek() == ')') {
        ++at;
        return true;
      }
      int64_t size = 0;
      size_t start = at;
      while (peek() >= '0' && peek() <= '9') {
        if (size > (int64_t(1) << 58)) return fail("a size in the header is too large");
        size = size * 10 + (peek() - '0');
        ++at;
      }
      if (at == start) return fail("expected a size of at least 0 in the header");
      shape.push_back(size);
      if (shape.size() > maxNpyRank) return fail("more than " + std::to_string(maxNpyRank) + " dimensions");
      skipSpace();
      if (peek() == ',')
        ++at;
      else if (peek() != ')')
        return fail("expected ',' or ')' in the shape");
    }
  }
};

} // namespace

/// Fortran order (first index fastest) to C order.
static std::vector<uint8_t> toRowMajor(std::string_view data, const TensorShape &shape, size_t bytes) {
  std::vector<uint8_t> out(data.size());
  std::vector<int64_t> index(shape.size(), 0);
  std::vector<size_t> stride(shape.size(), bytes);
  for (size_t i = 1; i < shape.size(); ++i) stride[i] = stride[i - 1] * static_cast<size_t>(shape[i - 1]);
  size_t from = 0;
  for (size_t to = 0; to < out.size(); to += bytes) {
    std::memcpy(out.data() + to, data.data() + from, bytes);
    for (size_t axis = shape.size(); axis-- > 0;) {
      from += stride[axis];
      if (++index[axis] < shape[axis]) break;
      from -= stride[axis] * static_cast<size_t>(shape[axis]);
      index[axis] = 0;
    }
  }
  return out;
}

size_t npyPrefixBytes() { return 12 + maxHeaderBytes; }

Result<NpyHeader> parseNpyHeader(std::string_view bytes, uint64_t fileBytes, const std::string &name) {
  auto bad = [&](size_t offset, const std::string &what) { return Error{name + ": offset " + std::to_string(offset) + ": " + what}; };
  if (bytes.size() < 10 || bytes.substr(0, 6) != npyMagic) return bad(0, "not a .npy file");
  auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
  size_t major = byte(6);
  if (major < 1 || major > 3) return bad(6, "version " + std::to_string(major) + " of the .npy format is not known (1 to 3 are)");
  size_t lengthBytes = major == 1 ? 2 : 4, headerAt = 8 + lengthBytes, headerBytes = 0;
  if (bytes.size() < headerAt) return bad(8, "the header length is cut off");
  for (size_t i = 0; i < lengthBytes; ++i) headerBytes |= byte(8 + i) << (8 * i);
  if (headerBytes > maxHeaderBytes || headerBytes > bytes.size() - headerAt)
    return bad(8, "header length " + std::to_string(headerBytes) + " leaves the file, which has " + std::to_string(fileBytes) + " bytes");
  HeaderParser header(bytes.substr(headerAt, headerBytes), headerAt);
  if (!header.parse()) return bad(header.errorOffset(), header.message);

  const std::string &d = header.descr;
  std::optional<ElementType> type;
  if (d.size() == 3 && (d[0] == '<' || d[0] == '|' || d[0] == '='))
    for (const DescrRow &row : descrTable)
      if (row.kind == d[1] && static_cast<size_t>(d[2] - '0') == row.bytes) type = row.type;
  if (!type)
    return bad(headerAt, "dtype '" + d + "' is not supported (bool, integers and floats of up to 64 bits, little-endian, are)");
  std::optional<int64_t> count = elementCount(header.shape);
  size_t width = elementBytes(*type);
  if (!count || *count > (int64_t(1) << 48)) return bad(headerAt, "shape " + formatShape(header.shape) + " is too large");
  size_t dataAt = headerAt + headerBytes, needed = static_cast<size_t>(*count) * width;
  if (fileBytes - dataAt != needed)
    return bad(dataAt, std::to_string(fileBytes - dataAt) + " bytes of data, shape " + formatShape(header.shape) + " of '" + d +
                           "' needs " + std::to_string(needed));
  return NpyHeader{*type, header.shape, header.fortran && header.shape.size() > 1, dataAt};
}

Result<HostTensor> parseNpy(std::string_view bytes, const std::string &name) {
  Result<NpyHeader> header = parseNpyHeader(bytes, bytes.size(), name);
  if (!header) return header.takeError();
  HostTensor out;
  out.type = header->type;
  out.shape = header->shape;
  std::string_view data = bytes.substr(header->dataAt);
  if (header->fortran)
    out.bytes = toRowMajor(data, out.shape, elementBytes(out.type));
  else
    out.bytes.assign(data.begin(), data.end());
  return out;
}

Result<HostTensor> readNpy(const std::string &path) {
  Result<std::string> bytes = readFileBytes(path);
  if (!bytes) return bytes.takeError();
  return parseNpy(*bytes, path);
}

Result<std::string> encodeNpy(const HostTensor &tensor) {
  const DescrRow *found = nullptr;
  for (const DescrRow &row : descrTable)
    if (row.type == tensor.type) found = &row;
  if (!found) return Error{".npy has no dtype for " + std::string(safetensorsName(tensor.type)), ErrorKind::Internal};
  std::string header = "{'descr': '";
  header += found->bytes == 1 ? '|' : '<';
  header += found->kind;
  header += std::to_string(found->bytes) + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (i) header += ", ";
    header += std::to_string(tensor.shape[i]);
  }
  header += tensor.shape.size() == 1 ? ",), }" : "), }";
  while ((10 + header.size() + 1) % 64) header += ' ';
  header += '\n';
  std::string out(npyMagic);
  out += '\x01';
  out += '\0';
  out += static_cast<char>(header.size() & 0xFF);
  out += static_cast<char>(header.size() >> 8);
  out += header;
  if (!tensor.bytes.empty()) out.append(reinterpret_cast<const char *>(tensor.bytes.data()), tensor.bytes.size());
  return out;
}

Result<void> writeNpy(const std::string &path, const HostTensor &tensor) {
  Result<std::string> bytes = encodeNpy(tensor);
  if (!bytes) return bytes.takeError();
  return writeFileAtomically(path, *bytes);
}

} // namespace triton
