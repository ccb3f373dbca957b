#include "StoredCodes.h"

#include "artifact/packing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace triton {

std::string describeRequest(const WeightRequest &request) {
  const WeightPolicy &policy = request.policy;
  char threshold[40];
  std::snprintf(threshold, sizeof threshold, "%a", policy.threshold); // every bit of it
  std::string text = std::to_string(request.key.size()) + ":" + request.key + " " + formatShape(request.shape);
  for (int64_t part : {request.channelAxis, int64_t(policy.storage), int64_t(policy.scale), int64_t(policy.method), policy.group,
                       int64_t(policy.seed)})
    text += " " + std::to_string(part);
  return text + " " + threshold;
}

namespace {

/// What stands before the scales. Host order: entries of a cache are for compilers of the same build.
struct Header {
  uint64_t storage, count, channels, groups;
};

} // namespace

LoadedWeight withoutCodes(const WeightRequest &request, const ScaleLayout &layout) {
  LoadedWeight out;
  out.storage = request.policy.storage;
  out.shape = request.shape;
  out.codes.channels = layout.channels();
  out.codes.groups = layout.groups();
  return out;
}

std::vector<uint8_t> encodeCodes(const LoadedWeight &weight) {
  const std::vector<int8_t> &codes = weight.codes.codes;
  const Header header{uint64_t(weight.storage), codes.size(), uint64_t(weight.codes.channels), uint64_t(weight.codes.groups)};
  const bool trits = weight.storage == DType::Trit;
  const size_t scaleBytes = weight.codes.scales.size() * sizeof(float);
  std::vector<uint8_t> bytes(sizeof header + scaleBytes + (trits ? tri_t5_bytes(codes.size()) : codes.size()));
  std::memcpy(bytes.data(), &header, sizeof header);
  if (scaleBytes) std::memcpy(bytes.data() + sizeof header, weight.codes.scales.data(), scaleBytes);
  uint8_t *rest = bytes.data() + sizeof header + scaleBytes;
  if (trits)
    tri_pack_t5(codes.data(), codes.size(), rest);
  else
    std::copy(codes.begin(), codes.end(), reinterpret_cast<int8_t *>(rest));
  return bytes;
}

std::optional<LoadedWeight> decodeCodes(std::span<const uint8_t> bytes, const WeightRequest &request) {
  Header header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  const ScaleLayout layout = scaleLayout(request.policy, request.shape, request.channelAxis);
  const auto count = static_cast<uint64_t>(elementCount(request.shape).value_or(0));
  const bool trits = request.policy.storage == DType::Trit;
  if (header.storage != uint64_t(request.policy.storage) || header.count != count || header.channels != uint64_t(layout.channels()) ||
      header.groups != uint64_t(layout.groups()))
    return std::nullopt;
  const auto scales = static_cast<size_t>(layout.scales());
  if (bytes.size() != sizeof header + scales * sizeof(float) + (trits ? tri_t5_bytes(count) : count)) return std::nullopt;
  LoadedWeight out = withoutCodes(request, layout);
  out.fromCheckpoint = true;
  out.codes.scales.resize(scales);
  if (scales) std::memcpy(out.codes.scales.data(), bytes.data() + sizeof header, scales * sizeof(float));
  for (float scale : out.codes.scales)
    if (!(scale > 0) || std::isinf(scale)) return std::nullopt;
  out.codes.codes.resize(count);
  const uint8_t *rest = bytes.data() + sizeof header + scales * sizeof(float);
  if (trits) {
    if (tri_unpack_t5(rest, count, out.codes.codes.data()) != 0) return std::nullopt;
    return out;
  }
  std::copy(rest, rest + count, reinterpret_cast<uint8_t *>(out.codes.codes.data()));
  const int64_t limit = largestCode(out.storage);
  if (std::any_of(out.codes.codes.begin(), out.codes.codes.end(), [&](int8_t code) { return code < -limit || code > limit; }))
    return std::nullopt;
  return out;
}

} // namespace triton
