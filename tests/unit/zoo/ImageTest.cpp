// Decoding, resizing and cropping against what Pillow and torchvision gave (make_pictures.py), byte for byte; and bad pictures.
#include "Resize.h"

#include "triton/Tensor/Files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

using namespace triton;
using namespace triton::zoo;

namespace {

const std::string inputs = TRITON_TEST_INPUTS "/";

std::string fileBytes(const std::string &name) {
  Result<std::string> bytes = readFileBytes(inputs + name);
  EXPECT_TRUE(bytes) << name;
  return bytes ? *bytes : "";
}

/// A file of make_pictures.py: width, height, RGB.
Image expected(const std::string &name) {
  std::string bytes = fileBytes(name + ".rgb");
  Image image;
  auto number = [&](size_t at) { return uint32_t(uint8_t(bytes[at])) | uint32_t(uint8_t(bytes[at + 1])) << 8; };
  image.width = number(0);
  image.height = number(2);
  image.pixels.assign(bytes.begin() + 4, bytes.end());
  EXPECT_EQ(image.pixels.size(), size_t(3) * image.width * image.height) << name;
  return image;
}

void expectSame(const Image &found, const Image &wanted, const std::string &name) {
  ASSERT_EQ(found.width, wanted.width) << name;
  ASSERT_EQ(found.height, wanted.height) << name;
  ASSERT_EQ(found.pixels.size(), wanted.pixels.size()) << name;
  for (size_t i = 0; i < wanted.pixels.size(); ++i)
    ASSERT_EQ(int(found.pixels[i]), int(wanted.pixels[i]))
        << name << ": x " << i / 3 % wanted.width << " y " << i / 3 / wanted.width << " channel " << i % 3;
}

Result<Image> decode(const std::string &bytes) {
  return decodeImage({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, "p");
}

std::string errorOf(const std::string &bytes) {
  Result<Image> image = decode(bytes);
  return image ? "accepted" : image.error().message;
}

TEST(Image, EveryKindOfPictureIsDecodedAsPillowDoes) {
  unsigned count = 0;
  for (const auto &entry : std::filesystem::directory_iterator(inputs)) {
    const std::string name = entry.path().filename().string();
    if (!hasImageName(name)) continue;
    Result<Image> image = readImage(inputs + name);
    ASSERT_TRUE(image) << image.error().message;
    expectSame(*image, expected(name), name);
    ++count;
  }
  EXPECT_EQ(count, 25u);
}

TEST(Image, ResizeAndCropAreTorchvisions) {
  std::istringstream cases(fileBytes("cases.txt"));
  std::string name, picture, filter;
  uint32_t size, height, width;
  unsigned count = 0;
  while (cases >> name >> picture >> size >> height >> width >> filter) {
    Result<Image> image = readImage(inputs + picture);
    ASSERT_TRUE(image) << image.error().message;
    Result<Image> prepared = prepareImage(*image, {size, *filterNamed(filter)}, width, height, name);
    ASSERT_TRUE(prepared) << prepared.error().message;
    expectSame(*prepared, expected(name), name);
    ++count;
  }
  EXPECT_EQ(count, 12u);
}

TEST(Image, GrayIsPillowsL) {
  Result<Image> image = readImage(inputs + "rgb.jpg");
  ASSERT_TRUE(image);
  const std::string wanted = fileBytes("rgb.jpg.gray");
  std::vector<uint8_t> gray(size_t(image->width) * image->height);
  writePlanes(*image, 1, gray.data());
  ASSERT_EQ(gray.size(), wanted.size());
  for (size_t i = 0; i < gray.size(); ++i) ASSERT_EQ(int(gray[i]), int(uint8_t(wanted[i]))) << i;
}

TEST(Image, PlanesAreRedGreenBlue) {
  Image image{2, 1, {1, 2, 3, 4, 5, 6}};
  uint8_t planes[6];
  writePlanes(image, 3, planes);
  EXPECT_EQ(std::vector<uint8_t>(planes, planes + 6), (std::vector<uint8_t>{1, 4, 2, 5, 3, 6}));
}

TEST(Image, WithoutResizingTheSizeMustBeTheNetworks) {
  Image image{2, 1, {1, 2, 3, 4, 5, 6}};
  Result<Image> same = prepareImage(image, {}, 2, 1, "p");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->pixels, image.pixels);
  Result<Image> other = prepareImage(image, {}, 2, 2, "p");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("p: 2 x 1 pixels, the network takes 2 x 2; --resize"), std::string::npos);
  Result<Image> small = prepareImage(image, {4, Filter::Bilinear}, 9, 4, "p");
  ASSERT_FALSE(small);
  EXPECT_NE(small.error().message.find("p: resized to 8 x 4 pixels, too small to cut out 9 x 4"), std::string::npos);
}

TEST(Image, OtherFilesAreRefused) {
  EXPECT_EQ(errorOf(""), "p: neither a JPEG nor a PNG");
  EXPECT_EQ(errorOf("GIF89a"), "p: neither a JPEG nor a PNG");
  EXPECT_NE(errorOf("\xFF\xD8\xFF").find("p: not a readable JPEG: "), std::string::npos);
  EXPECT_NE(errorOf("\x89PNG\r\n\x1a\n").find("p: not a readable PNG: the file is truncated"), std::string::npos);
  EXPECT_FALSE(readImage(inputs + "nothing.png"));
}

TEST(Image, TruncatedPicturesAreErrors) {
  for (const char *name : {"rgb.jpg", "progressive.jpg", "cmyk.jpg", "alpha.png", "interlaced.png"}) {
    const std::string whole = fileBytes(name);
    // The last chunk of a PNG says nothing more.
    const size_t end = std::string(name).ends_with(".png") ? whole.size() - 12 : whole.size();
    for (size_t n = 0; n < end; n += 1 + n / 64) EXPECT_NE(errorOf(whole.substr(0, n)), "accepted") << name << " " << n;
    EXPECT_NE(errorOf(whole.substr(0, end - 1)).find("truncated"), std::string::npos) << name << errorOf(whole.substr(0, end - 1));
  }
}

TEST(Image, SizesAreBounded) {
  std::string jpeg = fileBytes("rgb.jpg");
  const size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xF0\x00\xF0\x00", 4);
  EXPECT_NE(errorOf(jpeg).find("61440 x 61440 pixels; at most 67108864 are read"), std::string::npos) << errorOf(jpeg);
  Result<void> empty = checkImageSize(0, 5, "p");
  ASSERT_FALSE(empty);
  EXPECT_TRUE(checkImageSize(8192, 8192, "p"));
  EXPECT_FALSE(checkImageSize(8192, 8193, "p"));
}

TEST(Image, AJpegOfThousandsOfScansIsRefused) {
  // A progressive picture whose last scan stands there again and again: each costs a pass over all of its 49 million pixels.
  std::string jpeg = fileBytes("progressive.jpg");
  const size_t scan = jpeg.rfind("\xFF\xDA"), frame = jpeg.find("\xFF\xC2");
  ASSERT_NE(scan, std::string::npos);
  ASSERT_NE(frame, std::string::npos);
  const std::string last = jpeg.substr(scan, jpeg.size() - 2 - scan);
  jpeg.resize(jpeg.size() - 2);
  for (unsigned i = 0; i < 2000; ++i) jpeg += last;
  jpeg += "\xFF\xD9";
  jpeg.replace(frame + 5, 4, "\x02\x00\x02\x00", 4); // 512 x 512: ends after 8192 scans at the latest, here before
  const std::string message = errorOf(jpeg);
  EXPECT_TRUE(message == "accepted" || message.find("p: not a readable JPEG") == 0) << message;
  jpeg.replace(frame + 5, 4, "\x20\x00\x20\x00", 4); // 8192 x 8192
  EXPECT_NE(errorOf(jpeg).find("more than 32 scans"), std::string::npos) << errorOf(jpeg);
}

} // namespace
