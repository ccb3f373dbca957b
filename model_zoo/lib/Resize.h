// Resizing and cropping as torchvision evaluates classifiers on Pillow's pictures, byte for byte. No LLVM.
#pragma once

#include "Image.h"

#include <optional>
#include <string_view>

namespace triton::zoo {

/// The weight of a source pixel by its distance: a triangle, or a cubic with a = -0.5 (Keys 1981).
enum class Filter { Bilinear, Bicubic };
std::optional<Filter> filterNamed(std::string_view name);
std::string_view filterName(Filter filter);

/// A part of a picture.
struct Window {
  uint64_t x = 0, y = 0;
  uint32_t width = 0, height = 0;
};

/// The pixels of `window` of `image` resized to width x height. As Pillow's Image.resize: when it shrinks, the filter is as wide as the
/// pixels that it merges (antialias); weights have 22 bits after the point; columns come first and are rounded to bytes, then rows. What lies outside the
/// window is not computed. Requires: the window lies within width x height.
Image resize(const Image &image, uint64_t width, uint64_t height, const Window &window, Filter filter);

/// How pictures of any size become those that a network takes.
struct Preparation {
  /// The shorter side is resized to this, then the centre is cut out. 0: pictures must have the network's size already.
  uint32_t resize = 0;
  Filter filter = Filter::Bilinear;
  /// With `resize` 0: to this are pictures resized that have another size than the network's. 0: they are an error.
  uint32_t otherwise = 0;
};

/// The length to which evaluation resizes pictures for a network of this size where nothing else is said: 8/7 of it, 256 for 224.
uint32_t usualResize(uint32_t width, uint32_t height);

/// torchvision's Resize(resize) and CenterCrop((height, width)). Errors: a picture that is smaller than the crop after resizing, or, when it
/// is not to be resized, has another size.
Result<Image> prepareImage(const Image &image, const Preparation &preparation, uint32_t width, uint32_t height, const std::string &name);

/// Writes a picture as planes: 3 for R, G, B; 1 for gray by the weights of ITU-R 601 as Pillow's convert("L") (gray stays what it is).
void writePlanes(const Image &image, unsigned channels, uint8_t *out);

} // namespace triton::zoo
