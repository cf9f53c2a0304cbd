// Files that grow under their reader: every frame comes once, when it is whole, wherever the file was cut at a look.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "sample_files.hpp"
#include "xpcs/error.hpp"
#include "xpcs/frame_reader.hpp"

using namespace xpcs;
using namespace xpcs::samples;

namespace {

/// Of which only the first bytes are there.
class GrowingSource final : public ByteSource {
 public:
  GrowingSource(const Bytes& bytes, const std::size_t& now) : all_(bytes), now_(now), opened_(now) {}
  [[nodiscard]] std::uint64_t size() const override { return opened_; }
  [[nodiscard]] std::uint64_t size_now() const override { return now_; }
  std::size_t read(std::uint64_t offset, std::span<std::byte> into) const override {
    const std::size_t n = offset >= now_ ? 0 : std::min<std::size_t>(into.size(), now_ - offset);
    std::copy_n(all_.begin() + static_cast<std::ptrdiff_t>(offset), n, into.begin());
    return n;
  }

 private:
  const Bytes& all_;
  const std::size_t& now_;
  std::size_t opened_;
};

struct Taken {
  std::vector<std::uint32_t> frame, pixel;
  std::vector<std::int64_t> count;
  std::uint64_t frames = 0;

  /// All that a look gives.
  void take(FrameReader& reader, bool ended) {
    for (;;) {
      reader.look(ended);
      reader.want(reader.frames(), ~std::uint64_t{0});
      FrameBatch batch;
      if (!reader.next(batch)) return;
      frame.insert(frame.end(), batch.frame.begin(), batch.frame.end());
      pixel.insert(pixel.end(), batch.pixel.begin(), batch.pixel.end());
      count.insert(count.end(), batch.count.begin(), batch.count.end());
      frames = reader.frames();
    }
  }
};

ReaderOptions growing() {
  ReaderOptions options = small_detector();
  options.growing = true;
  return options;
}

Bytes dense_imm(std::size_t frames) {
  Bytes bytes;
  for (std::size_t f = 0; f < frames; ++f) {
    std::vector<std::int16_t> counts(20, 0);
    counts[f % 20] = static_cast<std::int16_t>(f + 1);
    append_imm(bytes, false, {}, counts, 0.1 * static_cast<double>(f));
  }
  return bytes;
}

}  // namespace

TEST_CASE("a growing IMM file gives each frame once it is whole, cut anywhere") {
  for (const Bytes& bytes : {sparse_imm(), dense_imm(3)}) {
    Taken all;
    {
      std::size_t size = bytes.size();
      const auto reader = open_imm(std::make_unique<GrowingSource>(bytes, size), growing());
      all.take(*reader, true);
      REQUIRE(all.frames == 3);
    }
    for (std::size_t cut = 1024; cut < bytes.size(); ++cut) {
      std::size_t size = cut;
      const auto reader = open_imm(std::make_unique<GrowingSource>(bytes, size), growing());
      Taken taken;
      taken.take(*reader, false);
      CHECK(taken.frames < 3);
      size = bytes.size();
      taken.take(*reader, false);
      CHECK(taken.frames == 3);
      CHECK(taken.frame == all.frame);
      CHECK(taken.pixel == all.pixel);
      CHECK(taken.count == all.count);
    }
  }
}

TEST_CASE("a growing IMM file that ends within a frame, becomes shorter or has a frame of another size says so") {
  const Bytes bytes = dense_imm(3);
  const auto failure = [&](const Bytes& from, std::size_t first, std::size_t then, bool ended) -> std::string {
    std::size_t size = first;
    const auto reader = open_imm(std::make_unique<GrowingSource>(from, size), growing());
    Taken taken;
    try {
      taken.take(*reader, false);
      size = then;
      taken.take(*reader, ended);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  CHECK(failure(bytes, bytes.size() - 1, bytes.size() - 1, false) == "none");
  CHECK(failure(bytes, bytes.size() - 1, bytes.size() - 1, true).find("IMM frame 3 at byte 2128: truncated") != std::string::npos);
  CHECK(failure(bytes, 2 * 1064 + 5, 2 * 1064 + 5, true).find("truncated header") != std::string::npos);
  CHECK(failure(bytes, bytes.size(), 100, false).find("became shorter") != std::string::npos);
  Bytes other = bytes;
  put<std::uint32_t>(other, 2 * 1064 + 152, 19);
  CHECK(failure(other, other.size(), other.size(), false).find("a dense frame of 19 values") != std::string::npos);
}

namespace {

/// A program beside this one that writes frames of 4 x 5 pixels in SWMR mode as it is told, through the C library alone. HDF5 cannot have one file open
/// twice in one process in different ways.
class SwmrWriter {
 public:
  SwmrWriter(const std::string& path, hsize_t framesPerChunk) {
    REQUIRE(::pipe(orders_) == 0);
    REQUIRE(::pipe(answers_) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) ::_exit(write_all(path, framesPerChunk));
    answer();
  }
  ~SwmrWriter() {
    if (child_ > 0) ::kill(child_, SIGKILL);
    wait();
    for (const int fd : {orders_[0], orders_[1], answers_[0], answers_[1]}) ::close(fd);
  }
  SwmrWriter(const SwmrWriter&) = delete;
  SwmrWriter& operator=(const SwmrWriter&) = delete;

  /// `w`: a frame more, and flush. `e`: room for one more, and flush. `c`: close.
  void order(char what) {
    REQUIRE(::write(orders_[1], &what, 1) == 1);
    answer();
    if (what == 'c') wait();
  }
  void kill() {
    ::kill(child_, SIGKILL);
    wait();
  }

 private:
  void answer() {
    char done = 0;
    REQUIRE(::read(answers_[0], &done, 1) == 1);
  }
  void wait() {
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }
  int write_all(const std::string& path, hsize_t framesPerChunk) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    hsize_t shape[3] = {0, 4, 5};
    const hsize_t most[3] = {H5S_UNLIMITED, 4, 5};
    const hsize_t chunk[3] = {framesPerChunk, 4, 5};
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 3, chunk);
    const hid_t data = H5Dcreate2(file, "/entry/data/data", H5T_STD_U16LE, H5Screate_simple(3, shape, most), links, creation, H5P_DEFAULT);
    if (data < 0 || H5Fstart_swmr_write(file) < 0) return 1;
    hsize_t written = 0;
    for (char what = 's'; what != 'c';) {
      if (::write(answers_[1], "d", 1) != 1 || ::read(orders_[0], &what, 1) != 1) return 1;
      if (what == 'c') break;
      shape[0] += what == 'e' || written == shape[0] ? 1 : 0;
      H5Dset_extent(data, shape);
      if (what == 'w') {
        const std::vector<std::uint16_t> words(20, static_cast<std::uint16_t>(written + 1));
        const hid_t space = H5Dget_space(data);
        const hsize_t start[3] = {written, 0, 0};
        const hsize_t count[3] = {1, 4, 5};
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, count, nullptr);
        H5Dwrite(data, H5T_NATIVE_UINT16, H5Screate_simple(3, count, nullptr), space, H5P_DEFAULT, words.data());
        ++written;
      }
      H5Dflush(data);
      H5Fflush(file, H5F_SCOPE_GLOBAL);
    }
    H5Dclose(data);
    const bool closed = H5Fclose(file) >= 0;
    return closed && ::write(answers_[1], "d", 1) == 1 ? 0 : 1;
  }

  int orders_[2] = {-1, -1}, answers_[2] = {-1, -1};
  pid_t child_ = -1;
};

std::string growing_path(const char* name) { return (std::filesystem::temp_directory_path() / (std::string("xpcs_growing_") + std::to_string(::getpid()) + name)).string(); }

/// Frame f has 20 photons' pixels of count f + 1 each.
void check_frames(const Taken& taken, std::uint64_t frames) {
  CHECK(taken.frames == frames);
  REQUIRE(taken.count.size() == 20 * frames);
  for (std::size_t i = 0; i < taken.count.size(); ++i) {
    CHECK(taken.frame[i] == i / 20);
    CHECK(taken.count[i] == static_cast<std::int64_t>(i / 20 + 1));
  }
}

}  // namespace

TEST_CASE("an HDF5 file in SWMR mode gives the frames that are written, and knows when its writer has closed it") {
  const std::string path = growing_path("_a.h5");
  Taken taken;
  {
    SwmrWriter writer(path, 1);
    const auto reader = open_growing_hdf5(path, growing());
    taken.take(*reader, false);
    CHECK(taken.frames == 0);
    for (int i = 0; i < 3; ++i) writer.order('w');
    taken.take(*reader, false);
    check_frames(taken, 3);
    writer.order('e');
    taken.take(*reader, false);
    check_frames(taken, 3);
    writer.order('w');
    writer.order('w');
    taken.take(*reader, false);
    check_frames(taken, 5);
    CHECK_FALSE(reader->closed());
    writer.order('c');
    taken.take(*reader, false);
    CHECK(reader->closed());
    taken.take(*reader, true);
    check_frames(taken, 5);
  }
  std::filesystem::remove(path);
}

TEST_CASE("a chunk of several frames counts when a later one is there, or at the end") {
  const std::string path = growing_path("_b.h5");
  {
    SwmrWriter writer(path, 4);
    const auto reader = open_growing_hdf5(path, growing());
    Taken taken;
    for (int i = 0; i < 4; ++i) writer.order('w');
    taken.take(*reader, false);
    CHECK(taken.frames == 0);
    writer.order('w');
    taken.take(*reader, false);
    check_frames(taken, 4);
    writer.order('w');
    writer.kill();
    taken.take(*reader, true);
    check_frames(taken, 6);
  }
  std::filesystem::remove(path);
}

TEST_CASE("frames that are announced and were never written are an error at the end") {
  const std::string path = growing_path("_c.h5");
  {
    SwmrWriter writer(path, 1);
    writer.order('w');
    writer.order('e');
    writer.kill();
    const auto reader = open_growing_hdf5(path, growing());
    Taken taken;
    std::string message;
    try {
      taken.take(*reader, true);
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK(taken.frames == 1);
    CHECK(message.find("announces 2 frames, and those from frame 2 on were never written") != std::string::npos);
  }
  std::filesystem::remove(path);
}

TEST_CASE("an HDF5 file that is cut or damaged anywhere is waited for, and at the end an error or frames, never more than that") {
  const std::string path = growing_path("_d.h5");
  Hdf5Sample sample;
  sample.path = path;
  sample.shape[0] = 3;
  sample.filter = Filter::shuffle_gzip;
  const std::vector<std::uint16_t> words(60, 3);
  write_hdf5(sample, words.data());
  std::ifstream in(path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  in.close();
  std::filesystem::remove(path);
  REQUIRE(whole.size() > 1000);
#if defined(__SANITIZE_ADDRESS__)
  const __lsan::ScopedDisabler libraryLeaks;  // HDF5 1.10 does not free all of an object that it cannot read
#endif
  std::mt19937 chance(5);
  for (std::size_t i = 0; i < 300; ++i) {
    std::string bytes = whole;
    if (i % 2 == 0) bytes.resize(chance() % whole.size());
    else for (std::size_t flips = 1 + i % 5; flips > 0; --flips) bytes[chance() % bytes.size()] ^= static_cast<char>(1U << chance() % 8);
    // Another name each time: HDF5 must not remember one.
    const std::string damaged = growing_path(("_d" + std::to_string(i) + ".h5").c_str());
    std::ofstream(damaged, std::ios::binary) << bytes;
    Taken taken;
    for (const bool ended : {false, true}) {
      try {
        taken.take(*open_growing_hdf5(damaged, growing()), ended);
      } catch (const Error&) {
        continue;
      }
    }
    CHECK(taken.frames <= 6);
    std::filesystem::remove(damaged);
  }
}
