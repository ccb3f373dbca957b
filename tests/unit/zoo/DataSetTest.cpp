// Every format through the one interface, its errors, and the reader that works ahead.
#include "Batches.h"
#include "DataSet.h"

#include "triton/Tensor/Files.h"
#include "triton/Tensor/Npy.h"

#include <gtest/gtest.h>

#include <filesystem>

using namespace triton;
using namespace triton::zoo;
namespace fs = std::filesystem;

namespace {

const std::string inputs = TRITON_TEST_INPUTS "/";

/// A new folder of the test's own.
struct Folder {
  std::string path;
  explicit Folder(const std::string &name) : path(testing::TempDir() + "data_" + name) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  void write(const std::string &name, const std::string &bytes) const {
    fs::create_directories(fs::path(path + "/" + name).parent_path());
    ASSERT_TRUE(writeFileAtomically(path + "/" + name, bytes));
  }
  void picture(const std::string &input, const std::string &name) const {
    fs::create_directories(fs::path(path + "/" + name).parent_path());
    fs::copy_file(inputs + input, path + "/" + name);
  }
};

DataSetRequest request(const Folder &folder, const std::string &name, ImageShape shape, uint32_t classes) {
  DataSetRequest out;
  out.name = name;
  out.folder = folder.path;
  out.shape = shape;
  out.classes = classes;
  return out;
}

std::string errorOf(const DataSetRequest &wanted) {
  Result<std::unique_ptr<DataSet>> data = openDataSet(wanted);
  return data ? "accepted" : data.error().message;
}

/// Reads everything in one go; the error as text.
std::string readAll(DataSet &data, std::vector<uint8_t> &images, std::vector<uint16_t> &labels) {
  images.resize(data.count * data.imageBytes());
  labels.resize(data.count);
  Result<void> done = data.read(data.count, images.data(), labels.data());
  return done ? "" : done.error().message;
}

std::string idx(std::initializer_list<uint32_t> dims, const std::string &data) {
  std::string out{'\0', '\0', '\x08', static_cast<char>(dims.size())};
  for (uint32_t d : dims)
    for (int shift : {24, 16, 8, 0}) out += static_cast<char>(d >> shift);
  return out + data;
}

TEST(DataSet, Idx) {
  Folder folder("idx");
  folder.write("t10k-images-idx3-ubyte", idx({2, 2, 3}, "abcdefghijkl"));
  folder.write("t10k-labels-idx1-ubyte", idx({2}, std::string("\1\0", 2)));
  Result<std::unique_ptr<DataSet>> data = openDataSet(request(folder, "fashion-mnist", {1, 2, 3}, 2));
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ((*data)->format, "idx");
  EXPECT_EQ((*data)->count, 2u);
  std::vector<uint8_t> images;
  std::vector<uint16_t> labels;
  EXPECT_EQ(readAll(**data, images, labels), "");
  EXPECT_EQ(std::string(images.begin(), images.end()), "abcdefghijkl");
  EXPECT_EQ(labels, (std::vector<uint16_t>{1, 0}));

  EXPECT_NE(errorOf(request(folder, "mnist", {1, 3, 2}, 2)).find("bytes of 1 x 2 x 3, the network takes 1 x 3 x 2"), std::string::npos);
  folder.write("t10k-labels-idx1-ubyte", idx({3}, std::string("\1\0\0", 3)));
  EXPECT_NE(errorOf(request(folder, "mnist", {1, 2, 3}, 2)).find("3 labels for 2 images"), std::string::npos);
  folder.write("t10k-labels-idx1-ubyte", idx({2}, std::string("\1\2", 2)));
  data = openDataSet(request(folder, "mnist", {1, 2, 3}, 2));
  ASSERT_TRUE(data);
  EXPECT_NE(readAll(**data, images, labels).find("offset 9: label 2, expected 0..1"), std::string::npos);
  folder.write("t10k-labels-idx1-ubyte", idx({2}, std::string("\1\0x", 3)));
  data = openDataSet(request(folder, "mnist", {1, 2, 3}, 2));
  ASSERT_TRUE(data);
  EXPECT_NE(readAll(**data, images, labels).find("offset 10: bytes after the last element"), std::string::npos);
  folder.write("t10k-images-idx3-ubyte", idx({2, 2, 3}, "abc"));
  data = openDataSet(request(folder, "mnist", {1, 2, 3}, 2));
  ASSERT_TRUE(data);
  EXPECT_NE(readAll(**data, images, labels).find("offset 19: the file ends here, 9 bytes too early"), std::string::npos);
}

std::string cifar(size_t images, size_t labelBytes) {
  std::string out;
  for (size_t i = 0; i < images; ++i) {
    for (size_t b = 0; b < labelBytes; ++b) out += static_cast<char>(i + 1 + b);
    for (size_t k = 0; k < 3072; ++k) out += static_cast<char>(i * 7 + k / 1024);
  }
  return out;
}

TEST(DataSet, Cifar10) {
  Folder folder("cifar10");
  folder.write("cifar-10-batches-bin/test_batch.bin", cifar(3, 1));
  folder.write("cifar-10-batches-bin/batches.meta.txt", "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  Result<std::unique_ptr<DataSet>> data = openDataSet(request(folder, "cifar10", {3, 32, 32}, 10));
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ((*data)->format, "cifar");
  EXPECT_EQ((*data)->count, 3u);
  ASSERT_EQ((*data)->classNames.size(), 10u);
  EXPECT_EQ((*data)->classNames[9], "truck");
  std::vector<uint8_t> images;
  std::vector<uint16_t> labels;
  EXPECT_EQ(readAll(**data, images, labels), "");
  EXPECT_EQ(labels, (std::vector<uint16_t>{1, 2, 3}));
  EXPECT_EQ(int(images[3072 + 1024]), 8);

  EXPECT_NE(errorOf(request(folder, "cifar10", {3, 28, 28}, 10)).find("3 x 32 x 32"), std::string::npos);
  EXPECT_NE(errorOf(request(folder, "cifar10", {3, 32, 32}, 7)).find("10 classes, the network has 7"), std::string::npos);
  folder.write("cifar-10-batches-bin/test_batch.bin", cifar(3, 1) + "x");
  EXPECT_NE(errorOf(request(folder, "cifar10", {3, 32, 32}, 10)).find("9220 bytes are no whole number of records of 3073"), std::string::npos);
  folder.write("cifar-10-batches-bin/test_batch.bin", cifar(10, 1));
  data = openDataSet(request(folder, "cifar10", {3, 32, 32}, 10));
  ASSERT_TRUE(data);
  EXPECT_NE(readAll(**data, images, labels).find("offset 27657: label 10, expected 0..9"), std::string::npos);
}

DataSetRequest unlabelled(const Folder &folder, ImageShape shape) {
  DataSetRequest out = request(folder, "", shape, 0);
  out.training = true;
  out.labelled = false;
  return out;
}

TEST(DataSet, ImagesWithoutLabels) {
  std::vector<uint8_t> images;
  std::vector<uint16_t> labels;
  Folder arrays("images");
  arrays.write("images.npy", *encodeNpy(HostTensor::of<uint8_t>({2, 1, 2}, std::vector<uint8_t>{1, 2, 3, 4})));
  Result<std::unique_ptr<DataSet>> data = openDataSet(unlabelled(arrays, {1, 1, 2}));
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(readAll(**data, images, labels), "");
  EXPECT_EQ(images, (std::vector<uint8_t>{1, 2, 3, 4}));
  EXPECT_NE(errorOf(request(arrays, "", {1, 1, 2}, 2)).find("images.npy without labels.npy"), std::string::npos);

  Folder idxFiles("idx_images");
  idxFiles.write("train-images-idx3-ubyte", idx({3, 2, 2}, "abcdefghijkl"));
  data = openDataSet(unlabelled(idxFiles, {1, 2, 2}));
  ASSERT_TRUE(data) << data.error().message;
  ASSERT_TRUE((*data)->skip(1));
  images.resize(8), labels.resize(2);
  ASSERT_TRUE((*data)->read(2, images.data(), labels.data()));
  EXPECT_EQ(std::string(images.begin(), images.end()), "efghijkl");
  EXPECT_FALSE((*data)->isIndexed());
  EXPECT_FALSE((*data)->readAt(0, images.data()));

  // Which of the two it is, the files tell.
  Folder fine("cifar_images");
  fine.write("cifar-100-binary/train.bin", cifar(5, 2));
  data = openDataSet(unlabelled(fine, {3, 32, 32}));
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ((*data)->count, 5u);
  ASSERT_TRUE((*data)->skip(4));
  images.resize(3072), labels.resize(1);
  ASSERT_TRUE((*data)->read(1, images.data(), labels.data()));
  EXPECT_EQ(int(images[3071]), 4 * 7 + 2);
  EXPECT_FALSE((*data)->skip(1));
}

TEST(DataSet, PicturesInAnyFolders) {
  Folder folder("pictures");
  folder.picture("rgb.jpg", "b/deep/1.jpg");
  folder.picture("portrait.png", "a/2.png");
  folder.picture("rgb.jpg", "3.jpg");
  folder.picture("rgb.jpg", ".hidden/4.jpg");
  folder.write("notes.txt", "no picture");
  DataSetRequest wanted = unlabelled(folder, {3, 28, 28});
  wanted.preparation.otherwise = usualResize(28, 28);
  Result<std::unique_ptr<DataSet>> data = openDataSet(wanted);
  ASSERT_TRUE(data) << data.error().message;
  ASSERT_EQ((*data)->count, 3u);
  std::vector<uint8_t> images, one(3 * 28 * 28);
  std::vector<uint16_t> labels;
  EXPECT_EQ(readAll(**data, images, labels), "");
  ASSERT_TRUE((*data)->isIndexed());
  for (size_t i : {2u, 0u, 1u}) {
    ASSERT_TRUE((*data)->readAt(i, one.data()));
    EXPECT_TRUE(std::equal(one.begin(), one.end(), images.begin() + ptrdiff_t(i * one.size())));
  }
  // By path: 3.jpg, a/2.png, b/deep/1.jpg; the first and the last are one picture.
  EXPECT_TRUE(std::equal(one.size() * 2 + images.begin(), images.end(), images.begin()));
  EXPECT_FALSE(std::equal(one.begin(), one.end(), images.begin()));
  data = openDataSet(wanted);
  ASSERT_TRUE((*data)->skip(1));
  std::vector<uint8_t> next(one.size());
  ASSERT_TRUE((*data)->read(1, next.data(), labels.data()));
  EXPECT_EQ(next, one);

  wanted.preparation.otherwise = 0;
  data = openDataSet(wanted);
  EXPECT_NE(readAll(**data, images, labels).find("3.jpg: "), std::string::npos);
  folder.write("train/broken.png", "no picture either");
  data = openDataSet(wanted);
  ASSERT_TRUE(data);
  EXPECT_EQ((*data)->count, 1u); // training images lie in train/, if there is one
  EXPECT_NE(readAll(**data, images, labels).find("broken.png: neither a JPEG nor a PNG"), std::string::npos);
  Folder none("none");
  EXPECT_NE(errorOf(unlabelled(none, {3, 28, 28})).find("no data set here; expected JPEG or PNG files"), std::string::npos);
}

TEST(DataSet, Cifar100TakesTheFineLabelAndTrainingHasSeveralFiles) {
  Folder folder("cifar100");
  folder.write("test.bin", cifar(2, 2));
  Result<std::unique_ptr<DataSet>> data = openDataSet(request(folder, "cifar100", {3, 32, 32}, 100));
  ASSERT_TRUE(data) << data.error().message;
  std::vector<uint8_t> images;
  std::vector<uint16_t> labels;
  EXPECT_EQ(readAll(**data, images, labels), "");
  EXPECT_EQ(labels, (std::vector<uint16_t>{2, 3}));

  Folder training("cifar10_training");
  for (char n = '1'; n <= '5'; ++n) training.write(std::string("data_batch_") + n + ".bin", cifar(n == '3' ? 2 : 1, 1));
  DataSetRequest wanted = request(training, "cifar10", {3, 32, 32}, 10);
  wanted.training = true;
  data = openDataSet(wanted);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(readAll(**data, images, labels), "");
  EXPECT_EQ(labels, (std::vector<uint16_t>{1, 1, 1, 2, 1, 1}));
}

TEST(DataSet, UsersArrays) {
  Folder folder("npy");
  std::vector<uint8_t> pixels(2 * 3 * 2 * 2);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = uint8_t(i);
  std::vector<int64_t> ids = {4, 0};
  folder.write("images.npy", *encodeNpy(HostTensor::of<uint8_t>({2, 3, 2, 2}, pixels)));
  EXPECT_NE(errorOf(request(folder, "imagenet", {3, 2, 2}, 5)).find("images.npy without labels.npy"), std::string::npos);
  folder.write("labels.npy", *encodeNpy(HostTensor::of<int64_t>({2}, ids)));
  Result<std::unique_ptr<DataSet>> data = openDataSet(request(folder, "imagenet", {3, 2, 2}, 5));
  ASSERT_TRUE(data) << data.error().message;
  std::vector<uint8_t> images;
  std::vector<uint16_t> labels;
  EXPECT_EQ(readAll(**data, images, labels), "");
  EXPECT_EQ(images, pixels);
  EXPECT_EQ(labels, (std::vector<uint16_t>{4, 0}));

  EXPECT_NE(errorOf(request(folder, "", {3, 2, 2}, 4)).find("label 0 is not in 0..3"), std::string::npos);
  EXPECT_NE(errorOf(request(folder, "", {3, 2, 1}, 5)).find("images [N, 3, 2, 1], the file holds [2, 3, 2, 2]"), std::string::npos);
  ids = {-1, 0};
  folder.write("labels.npy", *encodeNpy(HostTensor::of<int64_t>({2}, ids)));
  EXPECT_NE(errorOf(request(folder, "", {3, 2, 2}, 5)).find("label 0 is not in 0..4"), std::string::npos);
  ids = {1, 2, 3};
  folder.write("labels.npy", *encodeNpy(HostTensor::of<int64_t>({3}, ids)));
  EXPECT_NE(errorOf(request(folder, "", {3, 2, 2}, 5)).find("3 labels for 2 images"), std::string::npos);

  std::vector<float> real(2 * 2 * 2, 0.5f);
  ids = {1, 2};
  folder.write("images.npy", *encodeNpy(HostTensor::of<float>({2, 2, 2}, real)));
  folder.write("labels.npy", *encodeNpy(HostTensor::of<int64_t>({2}, ids)));
  DataSetRequest wanted = request(folder, "", {1, 2, 2}, 5);
  EXPECT_NE(errorOf(wanted).find("the network takes uint8, the file holds F32"), std::string::npos);
  wanted.floatsAccepted = true;
  data = openDataSet(wanted);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ((*data)->type, ElementType::F32);
  EXPECT_EQ(readAll(**data, images, labels), "");
}

TEST(DataSet, ImageFoldersAreSortedAndPrepared) {
  Folder folder("folder");
  folder.picture("rgb.jpg", "val/n02/b.JPEG");
  folder.picture("portrait.png", "val/n02/a.png");
  folder.picture("gray.jpg", "val/n01/deep/z.jpg");
  folder.picture("noise.png", "val/n01/y.jpg"); // what it is counts, not its name
  folder.write("val/n01/notes.txt", "not a picture");
  DataSetRequest wanted = request(folder, "imagenet", {3, 28, 28}, 2);
  wanted.preparation = {32, Filter::Bilinear};
  for (unsigned threads : {1u, 3u}) {
    wanted.threads = threads;
    Result<std::unique_ptr<DataSet>> data = openDataSet(wanted);
    ASSERT_TRUE(data) << data.error().message;
    EXPECT_EQ((*data)->classNames, (std::vector<std::string>{"n01", "n02"}));
    std::vector<uint8_t> images;
    std::vector<uint16_t> labels;
    EXPECT_EQ(readAll(**data, images, labels), "");
    EXPECT_EQ(labels, (std::vector<uint16_t>{0, 0, 1, 1}));
    size_t i = 0;
    for (const char *name : {"noise.png", "gray.jpg", "portrait.png", "rgb.jpg"}) {
      std::vector<uint8_t> planes(3 * 28 * 28);
      writePlanes(*prepareImage(*readImage(inputs + name), wanted.preparation, 28, 28, name), 3, planes.data());
      EXPECT_TRUE(std::equal(planes.begin(), planes.end(), images.begin() + ptrdiff_t(i++ * planes.size()))) << name;
    }
  }
  EXPECT_NE(errorOf(request(folder, "imagenet", {3, 28, 28}, 3)).find("2 folders, one for each class, but the network has 3"), std::string::npos);
  // Of several bad pictures the first is named, whatever the threads do.
  folder.write("val/n01/x.png", "nonsense");
  folder.write("val/n02/c.png", "nonsense");
  Result<std::unique_ptr<DataSet>> data = openDataSet(wanted);
  ASSERT_TRUE(data);
  std::vector<uint8_t> images;
  std::vector<uint16_t> labels;
  EXPECT_NE(readAll(**data, images, labels).find("val/n01/x.png: neither a JPEG nor a PNG"), std::string::npos);
  folder.write("val/n02/d.webp", "picture");
  EXPECT_NE(errorOf(wanted).find("val/n02/d.webp: only JPEG and PNG are read"), std::string::npos);
  fs::create_directories(folder.path + "/val/n03");
  wanted.classes = 3;
  fs::remove(folder.path + "/val/n02/d.webp");
  EXPECT_NE(errorOf(wanted).find("val/n03: a class without JPEG or PNG files"), std::string::npos);
}

TEST(DataSet, NothingThereNamesWhatIsExpected) {
  Folder folder("empty");
  EXPECT_NE(errorOf(request(folder, "cifar10", {3, 32, 32}, 10)).find("cifar-10-batches-bin/test_batch.bin"), std::string::npos);
  EXPECT_NE(errorOf(request(folder, "fashion-mnist", {1, 28, 28}, 10)).find("t10k-images-idx3-ubyte"), std::string::npos);
  DataSetRequest none = request(folder, "imagenet", {3, 224, 224}, 1000);
  EXPECT_NE(errorOf(none).find("a folder of JPEG or PNG files for each class"), std::string::npos);
  none.folder = folder.path + "/nowhere";
  EXPECT_NE(errorOf(none).find("no such folder"), std::string::npos);
}

/// Counts up; fails at one image.
class Counting : public DataSet {
public:
  explicit Counting(uint64_t bad) : bad(bad) {
    count = 1000;
    imageElements = 4;
  }
  Result<void> read(size_t wanted, uint8_t *images, uint16_t *labels) override {
    for (size_t i = 0; i < wanted; ++i, ++next) {
      if (next == bad) return Error{"image " + std::to_string(next) + " is bad"};
      std::fill_n(images + 4 * i, 4, uint8_t(next));
      labels[i] = uint16_t(next);
    }
    furthest = next;
    return {};
  }
  uint64_t bad, next = 0;
  std::atomic<uint64_t> furthest{0};
};

TEST(Batches, ComeInOrderAndOnlySomeWait) {
  Counting data(~uint64_t(0));
  BatchReader reader(data, 32, 90, 2);
  std::vector<size_t> sizes;
  size_t seen = 0;
  while (true) {
    Result<Batch> batch = reader.next();
    ASSERT_TRUE(batch);
    if (batch->count == 0) break;
    sizes.push_back(batch->count);
    EXPECT_EQ(batch->first, seen);
    for (size_t i = 0; i < batch->count; ++i, ++seen) {
      EXPECT_EQ(batch->labels[i], seen);
      EXPECT_EQ(batch->images[4 * i + 3], uint8_t(seen));
    }
    reader.recycle(std::move(*batch));
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{32, 32, 26}));
  EXPECT_EQ(data.furthest, 90u);
}

TEST(Batches, AnErrorComesAfterWhatWasReadBefore) {
  Counting data(70);
  BatchReader reader(data, 32, 1000, 2);
  for (int i = 0; i < 2; ++i) {
    Result<Batch> batch = reader.next();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->count, 32u);
  }
  for (int i = 0; i < 2; ++i) {
    Result<Batch> batch = reader.next();
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().message, "image 70 is bad");
  }
}

TEST(Batches, AReaderCanBeDroppedHalfway) {
  Counting data(~uint64_t(0));
  {
    BatchReader reader(data, 10, 1000, 3);
    ASSERT_TRUE(reader.next());
  }
  EXPECT_LE(data.furthest, 50u); // taken, waiting, and in the making
}

} // namespace
