{
  "variables": {
    "hdf5_cflags": "<!(pkg-config --cflags-only-I hdf5-serial 2>/dev/null || pkg-config --cflags-only-I hdf5) <!(pkg-config --cflags-only-I liblz4 zlib)",
    "hdf5_libs": "<!(pkg-config --libs hdf5-serial 2>/dev/null || pkg-config --libs hdf5) <!(pkg-config --libs liblz4 zlib)"
  },
  "targets": [
    {
      "target_name": "xpcs_core",
      "sources": [
        "<!@(sed 's|^|native/xpcs-core/|' native/xpcs-core/SOURCES)",
        "<!@(sed 's|^|native/xpcs-core/|' native/xpcs-core/BINDING_SOURCES)"
      ],
      "include_dirs": [
        "native/xpcs-core/include",
        "native/xpcs-core/src",
        "<!@(node -p \"require('node-addon-api').include_dir\")"
      ],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS_ALL", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-O3", "-ffp-contract=off", "<@(hdf5_cflags)"],
      "libraries": ["<@(hdf5_libs)", "-lz"]
    }
  ]
}
