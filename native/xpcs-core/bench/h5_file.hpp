#pragma once
// A new HDF5 file with the few kinds of dataset that the measurements' inputs have.
#include <hdf5.h>

#include <span>
#include <string>
#include <vector>

#include "series.hpp"

namespace xpcs::bench {

inline hid_t checked(hid_t id, const std::string& what) {
  if (id < 0) fail("HDF5 cannot make " + what);
  return id;
}

class H5File {
 public:
  explicit H5File(const std::string& path) : path_(path), id_(checked(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), path)) {}
  ~H5File() { H5Fclose(id_); }
  H5File(const H5File&) = delete;
  H5File& operator=(const H5File&) = delete;
  [[nodiscard]] hid_t id() const { return id_; }

  /// `values` in row-major order of `shape`; parent groups are made.
  template <class T>
  void array(const std::string& name, hid_t type, const std::vector<hsize_t>& shape, std::span<const T> values) {
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    write(name, type, space, values.data());
  }
  void int32(const std::string& name, std::int32_t value) { array(name, H5T_NATIVE_INT32, {1, 1}, std::span<const std::int32_t>(&value, 1)); }
  void int64(const std::string& name, std::int64_t value) { array(name, H5T_NATIVE_INT64, {1, 1}, std::span<const std::int64_t>(&value, 1)); }
  void float32(const std::string& name, float value) { array(name, H5T_NATIVE_FLOAT, {1, 1}, std::span<const float>(&value, 1)); }
  void float64(const std::string& name, double value) { write(name, H5T_NATIVE_DOUBLE, H5Screate(H5S_SCALAR), &value); }
  /// A scalar of fixed length.
  void text(const std::string& name, const std::string& value) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, value.size() + 1);
    write(name, type, H5Screate(H5S_SCALAR), value.c_str());
    H5Tclose(type);
  }
  /// A list of short texts of fixed length.
  void texts(const std::string& name, const std::vector<std::string>& values) {
    constexpr std::size_t kLength = 16;
    std::string bytes(values.size() * kLength, '\0');
    for (std::size_t j = 0; j < values.size(); ++j) bytes.replace(j * kLength, values[j].size(), values[j]);
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, kLength);
    array<char>(name, type, {values.size()}, std::span<const char>(bytes));
    H5Tclose(type);
  }

 private:
  /// Takes `space` over.
  void write(const std::string& name, hid_t type, hid_t space, const void* values) {
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    const hid_t data = checked(H5Dcreate2(id_, name.c_str(), type, space, links, H5P_DEFAULT, H5P_DEFAULT), name + " in " + path_);
    const herr_t done = H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(data);
    H5Pclose(links);
    H5Sclose(space);
    if (done < 0) fail("HDF5 cannot write " + name + " in " + path_ + ": is the disk full?");
  }

  std::string path_;
  hid_t id_;
};

}  // namespace xpcs::bench
