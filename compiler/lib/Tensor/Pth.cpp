// The pickle says which tensors there are; their bytes are entries of the archive. A tensor that lies dense in its storage stays where it is,
// in the mapped file; others are copied.
#include "triton/Tensor/Pth.h"

#include "Pickle.h"
#include "Zip.h"
#include "triton/Tensor/Files.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>

namespace triton {

using pickle::Id;
using pickle::Kind;

// The pickle of a network of a hundred thousand tensors has about 20 MB.
static constexpr uint64_t kMaxPickleBytes = uint64_t(64) << 20;

static ElementType elementTypeOf(pickle::Global storage) {
  switch (storage) {
  case pickle::Global::BoolStorage: return ElementType::Bool;
  case pickle::Global::ByteStorage: return ElementType::U8;
  case pickle::Global::CharStorage: return ElementType::I8;
  case pickle::Global::ShortStorage: return ElementType::I16;
  case pickle::Global::IntStorage: return ElementType::I32;
  case pickle::Global::LongStorage: return ElementType::I64;
  case pickle::Global::HalfStorage: return ElementType::F16;
  case pickle::Global::BFloat16Storage: return ElementType::BF16;
  case pickle::Global::DoubleStorage: return ElementType::F64;
  default: return ElementType::F32;
  }
}

namespace {

/// What keeps the tensors' bytes alive.
struct Owner {
  std::shared_ptr<const void> file;
  std::deque<std::vector<uint8_t>> copies;
};

/// A dictionary's entries with texts as keys.
using Members = std::vector<std::pair<std::string_view, Id>>;

class PthReader {
public:
  PthReader(std::shared_ptr<const void> owner, std::span<const uint8_t> bytes, const std::string &name)
      : bytes(reinterpret_cast<const char *>(bytes.data()), bytes.size()), name(name), owner(std::make_shared<Owner>()) {
    this->owner->file = std::move(owner);
  }

  Result<Checkpoint> read();

private:
  std::string_view bytes;
  const std::string &name;
  std::shared_ptr<Owner> owner;
  pickle::Document document;
  std::string folder, pickleName;
  std::unordered_map<std::string_view, const ZipArchive::Entry *> entries;
  struct Storage {
    ElementType type;
    int64_t count;
    std::string_view bytes;
  };
  std::map<std::string_view, Storage> storages; ///< by key
  uint64_t copiedBytes = 0;
  std::vector<std::string> notes;

  Error bad(const std::string &what) const { return Error{name + ": " + what}; }
  Error bad(const pickle::Value &value, const std::string &what) const {
    return Error{pickleName + ": offset " + std::to_string(value.offset) + ": " + what};
  }
  Result<std::string_view> findPickle(const ZipArchive &zip);
  Result<Members> members(Id id) const;
  size_t tensorsIn(const Members &dict) const;
  Result<Members> stateDict();
  std::string prefixOf(const Members &tensors) const;
  Result<const Storage *> storage(const ZipArchive &zip, const pickle::Value &value);
  Result<SafetensorsFile::Entry> tensor(const ZipArchive &zip, std::string key, const pickle::Value &value);
};

/// The pickle of the archive, and the folder that all entries lie in.
Result<std::string_view> PthReader::findPickle(const ZipArchive &zip) {
  const ZipArchive::Entry *found = nullptr;
  for (const ZipArchive::Entry &e : zip.entries()) {
    entries.emplace(e.name, &e);
    if (!e.name.ends_with("/data.pkl") || std::count(e.name.begin(), e.name.end(), '/') != 1) continue;
    if (found) return bad("two checkpoints in one archive: '" + found->name + "' and '" + e.name + "'");
    found = &e;
  }
  if (!found) return bad("not a PyTorch checkpoint: the archive has no 'data.pkl'");
  folder = found->name.substr(0, found->name.size() - std::string_view("data.pkl").size());
  pickleName = name + ": " + found->name;
  if (entries.count(folder + "constants.pkl"))
    return bad("a TorchScript program; save the tensors alone: torch.save(torch.jit.load(..).state_dict(), ..)");
  if (found->size > kMaxPickleBytes) return bad("'" + found->name + "' has more than " + std::to_string(kMaxPickleBytes) + " bytes");
  if (auto order = entries.find(folder + "byteorder"); order != entries.end()) {
    Result<std::string_view> text = zip.stored(*order->second);
    if (!text) return text.takeError();
    if (*text != "little") return bad("the byte order is '" + std::string(text->substr(0, 10)) + "'; only little-endian files are read");
  }
  return zip.stored(*found);
}

Result<Members> PthReader::members(Id id) const {
  Members out;
  const std::vector<Id> &items = document[id].items;
  for (size_t i = 0; i + 1 < items.size(); i += 2)
    if (document[items[i]].kind == Kind::Text) out.emplace_back(document[items[i]].text, items[i + 1]);
  std::vector<std::string_view> keys;
  for (const auto &[key, value] : out) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  if (auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end())
    return bad(document[id], "the key '" + std::string(*twice) + "' is there twice");
  return out;
}

size_t PthReader::tensorsIn(const Members &dict) const {
  return static_cast<size_t>(std::count_if(dict.begin(), dict.end(), [&](const auto &m) { return document[m.second].kind == Kind::Tensor; }));
}

/// The dictionary of tensors: the root, or what the root has under one of the usual names.
Result<Members> PthReader::stateDict() {
  if (document[document.root].kind != Kind::Dict) return bad(document[document.root], "the checkpoint is no dictionary of tensors by name");
  Result<Members> root = members(document.root);
  if (!root || tensorsIn(*root)) return root;
  std::optional<std::pair<std::string_view, Members>> found;
  std::string known;
  for (const auto &[key, value] : *root) {
    known += (known.empty() ? "'" : ", '") + std::string(key.substr(0, 100)) + "'";
    bool usual = key == "state_dict" || key == "model_state_dict" || key == "model" || key == "net" || key == "network";
    if (!usual || document[value].kind != Kind::Dict) continue;
    Result<Members> inner = members(value);
    if (!inner) return inner;
    if (!tensorsIn(*inner)) continue;
    if (found)
      return bad("both '" + std::string(found->first) + "' and '" + std::string(key) + "' hold tensors; save the right one alone");
    found.emplace(key, std::move(*inner));
  }
  if (!found)
    return bad("no tensors at the top, nor under 'state_dict', 'model_state_dict', 'model', 'net' or 'network'; the file has " +
               (known.empty() ? "nothing" : known));
  notes.push_back(name + ": the tensors are those under '" + std::string(found->first) + "'");
  return std::move(found->second);
}

/// A prefix that a wrapper put before every key.
std::string PthReader::prefixOf(const Members &tensors) const {
  for (const char *prefix : {"module.", "_orig_mod."})
    if (!tensors.empty() && std::all_of(tensors.begin(), tensors.end(), [&](const auto &m) { return m.first.starts_with(prefix); })) return prefix;
  return "";
}

Result<const PthReader::Storage *> PthReader::storage(const ZipArchive &zip, const pickle::Value &value) {
  ElementType type = elementTypeOf(value.global);
  auto known = storages.find(value.text);
  if (known == storages.end()) {
    auto entry = entries.find(folder + "data/" + std::string(value.text));
    if (entry == entries.end()) return bad(value, "the archive has no storage '" + std::string(value.text) + "'");
    Result<std::string_view> data = zip.stored(*entry->second);
    if (!data) return data.takeError();
    if (value.integer < 0 || static_cast<uint64_t>(value.integer) > data->size() / elementBytes(type) ||
        static_cast<uint64_t>(value.integer) * elementBytes(type) != data->size())
      return bad(value, "storage '" + std::string(value.text) + "' has " + std::to_string(data->size()) + " bytes, but " +
                            std::to_string(value.integer) + " elements of " + std::string(safetensorsName(type)) + " are expected");
    known = storages.emplace(value.text, Storage{type, value.integer, *data}).first;
  }
  if (known->second.type != type || known->second.count != value.integer)
    return bad(value, "storage '" + std::string(value.text) + "' is used with two types or sizes");
  return &known->second;
}

Result<SafetensorsFile::Entry> PthReader::tensor(const ZipArchive &zip, std::string key, const pickle::Value &value) {
  auto wrong = [&](const std::string &what) { return bad(value, "tensor '" + key + "' " + what); };
  Result<const Storage *> found = storage(zip, document[value.items[0]]);
  if (!found) return found.takeError();
  const Storage &from = **found;
  SafetensorsFile::Entry out;
  out.type = from.type;
  for (Id id : document[value.items[2]].items) out.shape.push_back(document[id].integer);
  std::vector<int64_t> strides;
  for (Id id : document[value.items[3]].items) strides.push_back(document[id].integer);
  int64_t offset = document[value.items[1]].integer;
  std::optional<int64_t> count = elementCount(out.shape);
  if (!count || strides.size() != out.shape.size()) return wrong("has a shape and strides that are none");
  // A view that repeats elements would make much out of little.
  if (*count > from.count) return wrong("shows elements of its storage more than once; save a clone of it");
  // The last element that it reaches, without wrapping; and whether its elements lie one after the other.
  int64_t last = offset, dense = 1;
  bool inOrder = true, outside = offset < 0 || offset > from.count;
  for (size_t i = out.shape.size(); i-- > 0 && *count && !outside;) {
    if (strides[i] < 0 || (out.shape[i] > 1 && strides[i] > (from.count - last) / (out.shape[i] - 1))) outside = true;
    else last += (out.shape[i] - 1) * strides[i];
    inOrder &= out.shape[i] == 1 || strides[i] == dense;
    dense *= out.shape[i];
  }
  if (outside || (*count && last >= from.count))
    return wrong("of shape " + formatShape(out.shape) + " at " + std::to_string(offset) + " leaves its storage of " + std::to_string(from.count) +
                 " elements");
  size_t width = elementBytes(out.type);
  auto *base = reinterpret_cast<const uint8_t *>(from.bytes.data());
  if (*count == 0) {
    out.key = std::move(key);
    return out;
  }
  if (inOrder) {
    out.bytes = {base + static_cast<size_t>(offset) * width, static_cast<size_t>(*count) * width};
    out.begin = static_cast<uint64_t>(out.bytes.data() - reinterpret_cast<const uint8_t *>(bytes.data()));
    out.key = std::move(key);
    return out;
  }
  // Every element of a file may be copied once for channels-last networks, and a few times for tied weights.
  copiedBytes += static_cast<uint64_t>(*count) * width;
  if (copiedBytes > 4 * bytes.size()) return wrong("and others show the same storage too often");
  std::vector<uint8_t> &copy = owner->copies.emplace_back(static_cast<size_t>(*count) * width);
  std::vector<int64_t> index(out.shape.size());
  int64_t element = offset;
  for (size_t to = 0; to < copy.size(); to += width) {
    std::memcpy(copy.data() + to, base + static_cast<size_t>(element) * width, width);
    for (size_t axis = index.size(); axis-- > 0;) {
      element += strides[axis];
      if (++index[axis] < out.shape[axis]) break;
      element -= strides[axis] * out.shape[axis];
      index[axis] = 0;
    }
  }
  out.bytes = copy;
  out.key = std::move(key);
  return out;
}

Result<Checkpoint> PthReader::read() {
  // The first bytes of a pickle with torch's magic number: what torch.save wrote before version 1.6.
  if (bytes.starts_with(std::string_view("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14)))
    return bad("offset 0: the format of PyTorch before 1.6 is not read; load it there and save it again with torch.save");
  Result<ZipArchive> zip = ZipArchive::open(bytes, name, "PyTorch checkpoint");
  if (!zip) return zip.takeError();
  Result<std::string_view> pickled = findPickle(*zip);
  if (!pickled) return pickled.takeError();
  Result<pickle::Document> read = pickle::read(*pickled, pickleName);
  if (!read) return read.takeError();
  document = std::move(*read);
  Result<Members> dict = stateDict();
  if (!dict) return dict.takeError();
  Members tensors;
  for (const auto &member : *dict) {
    if (document[member.second].kind == Kind::Tensor) tensors.push_back(member);
    else notes.push_back(name + ": '" + std::string(member.first) + "' is no tensor and is left out");
  }
  std::string prefix = prefixOf(tensors);
  if (!prefix.empty()) notes.push_back(name + ": the prefix '" + prefix + "' is taken off every key");
  std::vector<SafetensorsFile::Entry> out;
  for (const auto &[key, id] : tensors) {
    Result<SafetensorsFile::Entry> entry = tensor(*zip, std::string(key.substr(prefix.size())), document[id]);
    if (!entry) return entry.takeError();
    out.push_back(std::move(*entry));
  }
  Result<SafetensorsFile> file = SafetensorsFile::fromEntries(owner, std::move(out), name);
  if (!file) return file.takeError();
  return Checkpoint{std::move(*file), std::move(notes)};
}

} // namespace

Result<Checkpoint> parsePth(std::shared_ptr<const void> owner, std::span<const uint8_t> bytes, const std::string &name) {
  return PthReader(std::move(owner), bytes, name).read();
}

Result<Checkpoint> readPth(const std::string &path) {
  Result<MappedFile> mapped = mapFile(path);
  if (!mapped) return mapped.takeError();
  return parsePth(std::move(mapped->owner), mapped->bytes, path);
}

} // namespace triton
